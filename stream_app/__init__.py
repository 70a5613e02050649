"""stream-app: exact retention and churn from Kafka events, with alerts that reach Slack."""

__version__ = "0.1.0"
