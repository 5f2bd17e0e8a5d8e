"""The data sets, one module each; all of them give :class:`ecgdeploy.ecg.record.Record`."""
