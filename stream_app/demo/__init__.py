"""`stream-app demo`: an embedded broker, a real purchase log, a simulated product, and what plays and shows them."""
