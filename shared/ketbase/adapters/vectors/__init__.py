"""The vectors port on one machine and at Pinecone."""
