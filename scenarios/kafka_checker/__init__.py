"""What Kafka clients did and saw while the broker was mistreated, and whether it may be so."""
