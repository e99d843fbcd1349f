# A program as people write them: it sleeps, and nobody told it about signals.
import time

print("ready", flush=True)
while True:
    time.sleep(1)
