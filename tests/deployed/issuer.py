"""Deploys `issuer.yaml` and signs people in: started by `deploy`. Whether Cognito refuses what it is told to refuse, to
sign up and to change one's tenant, the emulator doesn't say: that it is told so is looked at.
"""

import base64
import json

from world import aws, holds

NAME, PASSWORD = "passerelle-issuer", "Correct-horse-4-battery"
with open("issuer.yaml") as file:
    made = aws("cloudformation").create_stack(
        StackName=NAME, TemplateBody=file.read(), Capabilities=["CAPABILITY_IAM"]
    )["StackId"]
aws("cloudformation").get_waiter("stack_create_complete").wait(StackName=made, WaiterConfig={"Delay": 1})
stack = aws("cloudformation").describe_stacks(StackName=made)["Stacks"][0]
outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
pool, client, cognito = {"UserPoolId": outputs["UserPool"]}, outputs["JwtAudience"], aws("cognito-idp")


def sign_in(user, *groups):
    """The claims of the user's access token."""
    tenant = [{"Name": "custom:tenant_id", "Value": "acme"}]
    # The emulator would make a temporary password that is too short for the pool.
    cognito.admin_create_user(**pool, Username=user, UserAttributes=tenant, TemporaryPassword=PASSWORD)
    cognito.admin_set_user_password(**pool, Username=user, Password=PASSWORD, Permanent=True)
    for group in groups:
        cognito.admin_add_user_to_group(**pool, Username=user, GroupName=group)
    answer = cognito.initiate_auth(
        ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": user, "PASSWORD": PASSWORD}
    )
    claims = answer["AuthenticationResult"]["AccessToken"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=="))


found = [sign_in("clerk"), sign_in("operator", "operators")]
who = [tuple(it.get(claim) for claim in ("iss", "client_id", "tenant_id", "username")) for it in found]
wanted = [(outputs["JwtIssuer"], client, "acme", user) for user in ("clerk", "operator")]
operators = ["passerelle/operator" in it["scope"].split() for it in found]
holds(who == wanted and operators == [False, True], "issuer.yaml: tokens name tenant, user and operators", found)
users = cognito.describe_user_pool(**pool)["UserPool"]
(tenant,) = [it for it in users["SchemaAttributes"] if it["Name"] == "custom:tenant_id"]
writable = cognito.describe_user_pool_client(**pool, ClientId=client)["UserPoolClient"]["WriteAttributes"]
closed = users["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] and not tenant["Mutable"] and writable == ["name"]
holds(closed, "nobody signs up by himself, or changes his tenant", users, writable)
