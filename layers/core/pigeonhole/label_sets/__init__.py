"""Label sets: labels and options that a tenant stores under a name."""
