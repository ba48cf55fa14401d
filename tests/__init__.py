"""The tests, by tier: unit, integration, acceptance, adversarial; bench measures."""
