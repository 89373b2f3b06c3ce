"""The Invoke tasks: functions over option groups that call bakery and print. The only folder that imports invoke."""
