"""control.py - the control socket, spoken to directly: a JSON object a line,
the last one of an answer has "done". gmrelayctl(8) describes the protocol."""
import json
import socket

from .patience import PATIENCE

PAGE = 200


class Refused(AssertionError):
    """The daemon answered with an error."""

    def __init__(self, command, error):
        super().__init__("control %s: %s" % (command, error.get("text")))
        self.kind = error.get("kind")


def ask(path, command, timeout=30, **arguments):
    """Sends one request and returns all objects of the answer, the last one
    (with "done") included. Raises Refused."""
    request = dict(arguments, command=command)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout * PATIENCE)
        sock.connect(path)
        sock.sendall(json.dumps(request).encode() + b"\n")
        answer = []
        with sock.makefile("rb") as lines:
            for line in lines:
                answer.append(json.loads(line))
                if answer[-1].get("done"):
                    break
    if answer and answer[-1].get("asked"):
        return answer  # a reload that was taken ends the connection
    if not answer or not answer[-1].get("done"):
        raise AssertionError("control %s: no end of the answer" % command)
    if "error" in answer[-1]:
        raise Refused(command, answer[-1]["error"])
    return answer


class Control:
    """What a Daemon tells about itself; self.control is the socket's path."""

    def ask(self, command, **arguments):
        return ask(self.control, command, **arguments)

    def status(self):
        """{"queue": {"queued": 0, ...}, "accounts": [...], ...}"""
        return self.ask("status")[-1]

    def queued(self):
        return self.status()["queue"]["queued"]

    def queue(self, failed=False):
        """The rows of the queue, or of failed/."""
        rows, more, after = [], True, {}
        while more:
            *page, end = self.ask("queue.list", failed=failed, limit=PAGE,
                                  **after)
            rows += [line["message"] for line in page]
            more = end.get("more")
            after = {"after": rows[-1]["id"]} if rows else {}
        return rows

    def recipients(self, message_id):
        """{address: {"state": "pending", "reply": ...}} of one message."""
        answer = self.ask("queue.show", id=message_id)
        return {line["recipient"]["address"]: line["recipient"]
                for line in answer if "recipient" in line}

    def account_state(self, name="default"):
        """{"state": "active", "reason": "", ...}"""
        for account in self.status()["accounts"]:
            if account["name"] == name:
                return account
        raise AssertionError("no account %s" % name)
