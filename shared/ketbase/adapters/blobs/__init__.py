"""The blobs port over files, S3 and IBM Cloud Object Storage."""
