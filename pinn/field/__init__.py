"""What is sought: networks with scaling, periodicity and hard constraints; they return jets (values and derivatives)."""
