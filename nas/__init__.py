"""The science of few-shot neural architecture search; knows no database, HTTP or queue."""
