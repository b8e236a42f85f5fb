"""What people see: figures, animation, the HTML page and exports, all made from a run's folder. Nothing here imports torch."""
