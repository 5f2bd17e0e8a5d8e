"""Stream a data set through a device: journal, validity, comparison, scoring."""
