"""What bulk jobs cost, and how long they take. Pure arithmetic."""
