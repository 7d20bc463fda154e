"""What follows the end of a job: events and webhooks."""
