"""Started processes save a checkpoint at every step and take their time, so that tests can stop them where they want."""

import time

from pinn.run import checkpoint


class EveryStep(checkpoint.Schedule):
    def due(self):
        time.sleep(0.01)
        return True


checkpoint.Schedule = EveryStep
