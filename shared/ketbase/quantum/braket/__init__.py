"""Amazon Braket, over boto3 alone."""
