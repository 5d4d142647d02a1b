"""Whether the stack has what the template says, as far as the emulator keeps it; and the routes, which it does not."""

import fnmatch
import json
import os
import re

from world import (
    ACCOUNT_ID, REGION, TENANT, absent, arn, aws, holds, ids, kept, names, of_type, resolve, routes, template,
)

LINTED = "the template's words are linted"
dead_letters = arn("ExecutorDeadLetterQueue")


def differs(wanted, found, *parts):
    """What is not as wanted; what is no structure may come back as text."""
    text = lambda it: it if isinstance(it, (dict, list)) else str(it).lower()
    pairs = {part: (wanted[part], found.get(part)) for part in parts if part in wanted}
    return {part: pair for part, pair in pairs.items() if text(pair[0]) != text(pair[1])}


def tables():
    dynamodb, wrong, lost = aws("dynamodb"), {}, set()
    indexes = lambda it: {one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in it}
    for table, wanted in of_type("AWS::DynamoDB::Table").items():
        name = wanted["TableName"]
        found = dynamodb.describe_table(TableName=name)["Table"]
        found["BillingMode"] = found["BillingModeSummary"]["BillingMode"]
        found["StreamSpecification"] = {"StreamViewType": found.get("StreamSpecification", {}).get("StreamViewType")}
        for it in (wanted, found):
            it["AttributeDefinitions"].sort(key=str)
            it["GlobalSecondaryIndexes"] = indexes(it.get("GlobalSecondaryIndexes", []))
        parts = ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "StreamSpecification"]
        if bad := differs(wanted, found, *parts, "BillingMode", "DeletionProtectionEnabled"):
            wrong[table] = bad
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        if backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] != "ENABLED":
            lost.add("point-in-time recovery")
        if found.get("SSEDescription", {}).get("Status") != "ENABLED":
            lost.add("encryption with a key of KMS")
        expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if "TimeToLiveSpecification" in wanted and expiry["TimeToLiveStatus"] == "DISABLED":
            lost.add("expiry of items")
    what = "tables have the template's keys, indexes, streams, billing and deletion protection"
    holds(not wrong, f"the {len(of_type('AWS::DynamoDB::Table'))} {what}", wrong)
    for what in ("point-in-time recovery", "encryption with a key of KMS", "expiry of items"):
        kept(what not in lost, f"tables: {what}", LINTED)


def functions():
    wrong, unreserved = {}, []
    for name, wanted in of_type("AWS::Lambda::Function").items():
        found = aws("lambda").get_function(FunctionName=ids[name])
        reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
        found = found["Configuration"]
        parts = ["Runtime", "Handler", "Architectures", "MemorySize", "Timeout", "Environment", "LoggingConfig"]
        bad = differs(wanted, found, *parts, "Role", "TracingConfig")
        bad |= {it: "no value" for it, value in found["Environment"]["Variables"].items() if not value}
        if bad:
            wrong[name] = bad
        if "ReservedConcurrentExecutions" in wanted and str(reserved) != str(wanted["ReservedConcurrentExecutions"]):
            unreserved.append(name)
    what = "functions have its runtime, time-outs, environment, roles and log group"
    holds(not wrong, f"the {len(of_type('AWS::Lambda::Function'))} {what}", wrong)
    kept(not unreserved, "functions: reserved concurrency", LINTED)

    name = ids["WebhookFunction"]
    url = aws("lambda").get_function_url_config(FunctionName=name)
    policy = json.loads(aws("lambda").get_policy(FunctionName=name)["Policy"])["Statement"]
    allowed = {it["Action"] for it in policy if it["Principal"] == "*"}
    public = url["AuthType"] == "NONE" and allowed == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    holds(public, "anybody may call the webhooks' URL, and the function through it", policy)


def schedules_and_queues():
    wrong, executor = {}, ids["ScheduledExecutorFunction"]
    for name, wanted in of_type("AWS::SQS::Queue").items():
        found = aws("sqs").get_queue_attributes(QueueUrl=ids[name], AttributeNames=["All"])["Attributes"]
        found["RedrivePolicy"] = json.loads(found.get("RedrivePolicy", "null"))
        parts = ["VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy", "SqsManagedSseEnabled"]
        wrong |= {f"{name}: {part}": pair for part, pair in differs(wanted, found, *parts).items()}
    for name, wanted in of_type("AWS::Scheduler::Schedule").items():
        found = aws("scheduler").get_schedule(Name=wanted["Name"])
        bad = differs(wanted, found, "ScheduleExpression", "ScheduleExpressionTimezone", "Target", "State")
        if bad or found["Target"]["DeadLetterConfig"]["Arn"] != dead_letters:
            wrong[name] = found
    for name, wanted in of_type("AWS::Lambda::EventSourceMapping").items():
        (found,) = aws("lambda").list_event_source_mappings(FunctionName=wanted["FunctionName"])["EventSourceMappings"]
        parts = ["EventSourceArn", "BatchSize", "FunctionResponseTypes", "ScalingConfig", "StartingPosition"]
        parts += ["FilterCriteria", "BisectBatchOnFunctionError", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds"]
        wrong |= {f"{name}: {part}": pair for part, pair in differs(wanted, found, *parts, "DestinationConfig").items()}
    failed = aws("lambda").get_function_event_invoke_config(FunctionName=executor, Qualifier="$LATEST")
    if failed["DestinationConfig"]["OnFailure"]["Destination"] != dead_letters:
        wrong["failed runs"] = failed
    for name, wanted in of_type("AWS::Logs::LogGroup").items():
        (found,) = aws("logs").describe_log_groups(logGroupNamePrefix=ids[name])["logGroups"]
        if int(wanted["RetentionInDays"]) != found["retentionInDays"]:
            wrong[name] = found
    holds(not wrong, "schedules, queues, mappings and logs are its too; what fails for good goes to the dead letters", wrong)


def policies():
    """Asks IAM about the roles as they were deployed. Beyond that the emulator enforces them in all the stories."""
    wrong = {}
    for name, wanted in of_type("AWS::IAM::Role").items():
        for policy in wanted.get("Policies", []):
            found = aws("iam").get_role_policy(RoleName=ids[name], PolicyName=policy["PolicyName"])["PolicyDocument"]
            if found != policy["PolicyDocument"]:
                wrong[name] = (policy["PolicyDocument"], found)
    what = "roles have its policies: each action, table, index, secret, queue and topic"
    holds(not wrong, f"the {len(of_type('AWS::IAM::Role'))} {what}", wrong)

    def allowed(role, action, resource):
        ask = {"PolicySourceArn": arn(role), "ActionNames": [action], "ResourceArns": [resource]}
        return aws("iam").simulate_principal_policy(**ask)["EvaluationResults"][0]["EvalDecision"] == "allowed"

    roles, log = [f"{name}Role" for name in of_type("AWS::Lambda::Function")], arn("AuditLogTable")
    silent = [role for role in roles if not allowed(role, "dynamodb:PutItem", log)]
    changes = ("UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLDelete")
    loose = [(role, action) for role in roles for action in changes if allowed(role, f"dynamodb:{action}", log)]
    what = f"the {len(roles)} roles may append to the audit log, the analyst's only read it, and none may change it"
    holds(silent == ["ErrorAnalystFunctionRole"] and not loose, what, silent, loose)

    secret = lambda name: f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}-AbCdEf"
    reads = lambda name: {it for it in roles if allowed(it, "secretsmanager:GetSecretValue", secret(name))}
    readers, strangers = reads(f"passerelle/{TENANT}/stripe"), reads(f"elsewhere/{TENANT}/stripe")
    apart = set(roles) - readers == {"SettingsFunctionRole", "ReviewFunctionRole", "ErrorAnalystFunctionRole"}
    apart = apart and reads("passerelle/error-analysis") == {"ErrorAnalystFunctionRole"}
    what = "gateway keys are for those who call gateways, the model's for the analyst, other secrets for none"
    holds(apart and not strangers, what, readers, strangers)


def notifications():
    topic, wrong = ids["Notifications"], {}
    found = aws("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    wrong |= differs(of_type("AWS::SNS::Topic")["Notifications"], found, "DisplayName")
    policy, wanted = json.loads(found["Policy"]), of_type("AWS::SNS::TopicPolicy")["NotificationsPolicy"]
    if policy != wanted["PolicyDocument"]:
        wrong["policy"] = (wanted["PolicyDocument"], policy)
    told = aws("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    if [(it["Protocol"], it["Endpoint"]) for it in told] != [("email", names["OperatorEmail"])]:
        wrong["subscriptions"] = told
    holds(not wrong, "the topic has the template's policy, and the operator's address", wrong)

    for name, wanted in of_type("AWS::Pipes::Pipe").items():
        found = aws("pipes").describe_pipe(Name=wanted["Name"])
        bad = differs(wanted, found, "Source", "Target", "RoleArn")
        holds(not bad and found["CurrentState"] == "RUNNING", "the pipe runs from the alerts' stream to the topic", bad)
        instead = "the stories apply them to what it lets through"
        kept(found.get("SourceParameters") and found.get("TargetParameters"), "the pipe: filters and template", instead)
        kept("DeadLetterConfig" in json.dumps(found, default=str), "the pipe: its dead letters", LINTED)


def alarms():
    alarms, wrong = of_type("AWS::CloudWatch::Alarm"), {}
    for name, wanted in alarms.items():
        (found,) = aws("cloudwatch").describe_alarms(AlarmNames=[wanted["AlarmName"]])["MetricAlarms"]
        found["Threshold"] = int(found["Threshold"])
        if bad := differs(wanted, found, *wanted):
            wrong[name] = bad
    what = "alarms have its metrics, thresholds and actions"
    holds(alarms and not wrong, f"the {len(alarms)} {what}", wrong)
    if undeployed := os.environ["UNDEPLOYED"]:
        absent.append(f"alarms on a sum, {undeployed}: that the sums are of all functions is seen in the template")
    (wanted,) = of_type("AWS::CloudWatch::Dashboard").values()
    found = aws("cloudwatch").get_dashboard(DashboardName=wanted["DashboardName"])["DashboardBody"]
    holds(json.loads(found) == json.loads(wanted["DashboardBody"]), "the dashboard is its too", found)


def add_routes():
    """Makes the routes that SAM's transform has put into the API's OpenAPI document."""
    api, gateway = ids["Api"], aws("apigatewayv2")
    document = template["Resources"]["Api"]["Properties"]["Body"]
    made = gateway.get_routes(ApiId=api)["Items"]
    kept(made, "the HTTP API: routes and authorizer", "they are made here from its OpenAPI document, and used")
    authorizers = {}
    for name, scheme in document["components"]["securitySchemes"].items():
        jwt = resolve(scheme["x-amazon-apigateway-authorizer"])
        wanted = {it.capitalize(): jwt["jwtConfiguration"][it] for it in ("issuer", "audience")}
        authorizers[name] = gateway.create_authorizer(
            ApiId=api, Name=name, AuthorizerType="JWT", IdentitySource=[jwt["identitySource"]], JwtConfiguration=wanted
        )["AuthorizerId"]
    refused = []
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            method, integration = verb.upper(), operation["x-amazon-apigateway-integration"]
            target = gateway.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=resolve(integration["uri"]),
                IntegrationMethod="POST", PayloadFormatVersion=integration["payloadFormatVersion"],
            )["IntegrationId"]
            (scheme,) = operation["security"][0]
            gateway.create_route(
                ApiId=api, RouteKey=f"{method} {path}", Target=f"integrations/{target}",
                AuthorizationType="JWT", AuthorizerId=authorizers[scheme],
            )
            routes[f"{method} {path}"] = re.sub(r"{[^}]+}", "[^/]+", f"{method} {path}")
            # The emulator does not ask whether API Gateway may invoke the function for this route; AWS does.
            function = re.search(r"\$\{(\w+)\.Arn\}", integration["uri"]["Fn::Sub"])[1]
            policy = json.loads(aws("lambda").get_policy(FunctionName=ids[function])["Policy"])["Statement"]
            route = f"{api}/$default/{method}{re.sub(r'{[^}]+}', '*', path)}"
            may = [it["Condition"]["ArnLike"]["AWS:SourceArn"] for it in policy if "ArnLike" in it.get("Condition", {})]
            if not any(fnmatch.fnmatchcase(f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{route}", it) for it in may):
                refused.append(route)
    holds(routes and not refused, f"the {len(routes)} routes all want a token, and may invoke their functions", refused)
    settings = gateway.get_stage(ApiId=api, StageName="$default").get("DefaultRouteSettings", {})
    kept("ThrottlingRateLimit" in settings, "the HTTP API: throttling", LINTED)


def check():
    tables()
    functions()
    schedules_and_queues()
    policies()
    notifications()
    alarms()
    add_routes()
