"""Takes out of the built template what the emulator refuses to deploy: alarms on a sum of metrics. Looks at the sums
instead, since a function that one of them forgets has no alarm; and prints the alarms' names.
"""

import sys

from samcli.yamlhelper import yaml_dump, yaml_parse

with open(sys.argv[1]) as file:
    template = yaml_parse(file.read())
resources = template["Resources"]
functions = sorted(name for name, it in resources.items() if it["Type"] == "AWS::Serverless::Function")
sums = {name: it for name, it in resources.items() if "Metrics" in it["Properties"] and "AlarmName" in it["Properties"]}
for name, alarm in sums.items():
    total, *parts = alarm["Properties"]["Metrics"]
    of = sorted(it["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"] for it in parts)
    if total["Expression"] != "SUM(FILL(METRICS(), 0))" or of != functions:
        sys.exit(f"FAILED  {name} is not the sum of all functions: {of}")
    del resources[name]
with open(sys.argv[1], "w") as file:
    file.write(yaml_dump(template))
print(*sums)
