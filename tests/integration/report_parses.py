"""Every kind of report is one that a strict parser takes without a defect,
and of which a person can read what happened and what to do."""
import email
import email.policy
import glob
import os
import subprocess

from lib.harness import main, scenario

SAMPLES = os.path.join(os.environ.get("top_builddir", "."),
                       "tests", "unit", "report_samples")
# a defect anywhere is an exception
STRICT = email.policy.default.clone(raise_on_defect=True)


def defects(part):
    """What the parser found wrong with a part and its header fields."""
    found = list(part.defects)
    for value in part.values():
        found += getattr(value, "defects", ())
    return found


def check(t, raw):
    report = email.message_from_bytes(raw, policy=STRICT)
    for part in report.walk():
        t.equal(defects(part), [], "defects of %s" % part.get_content_type())
    t.equal(report.get_content_type(), "multipart/report", "content type")
    kinds = [part.get_content_type() for part in report.iter_parts()]
    t.equal(kinds[:2], ["text/plain", "message/delivery-status"], "parts")
    t.true(kinds[2:] in ([], ["text/rfc822-headers"], ["message/rfc822"]),
           "third part: %s" % kinds)
    t.true(report["From"].addresses[0].addr_spec == "someone@gmail.com",
           "From: %s" % report["From"])
    t.true(report["Subject"].startswith((
        "Undelivered: ", "Delayed: ", "Relayed: ")),
           "Subject: %s" % report["Subject"])
    t.true(report["Date"].datetime is not None, "Date: %s" % report["Date"])
    words = report.get_body(("plain",)).get_content()
    t.true("This is the mail relay on" in words, "text: %s" % words)
    blocks = next(x for x in report.iter_parts()
                  if x.get_content_type() == kinds[1]).get_payload()
    t.true("Reporting-MTA" in blocks[0], "fields of the message")
    for block in blocks[1:]:
        t.true(block["Action"] in ("failed", "delayed", "relayed"), "Action")
        t.true(block["Status"][0] in (
            "2" if block["Action"] == "relayed" else "45"), "Status")
        t.true(block["Final-Recipient"] is not None, "Final-Recipient")
    t.true(len(blocks) > 1, "a recipient is reported")


@scenario
def reports_have_no_defect(t):
    subprocess.run([SAMPLES, t.folder], check=True)
    for kind, count in (("report", 8), ("digest", 3)):
        files = sorted(glob.glob(os.path.join(t.folder, kind + "-*.eml")))
        t.true(len(files) >= count, "samples of a %s" % kind)
        for name in files:
            with open(name, "rb") as file:
                check(t, file.read())


main()
