"""What the integration tests stand on; see harness.py."""
