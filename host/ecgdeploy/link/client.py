Client=Hello=Inference=LinkStatistics=TensorInfo=None
