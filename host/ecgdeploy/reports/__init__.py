"""What a person reads: terminal tables and self-contained HTML pages made from results."""
