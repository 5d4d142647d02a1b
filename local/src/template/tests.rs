use super::*;

/// The least that can be read, with a place for more.
const SMALL: &str = r#"
Parameters:
  Prefix: { Type: String, Default: passerelle }
  Rate: { Type: Number, Default: 20 }
Conditions:
  IsFast: !Equals [!Ref Rate, "21"]
  IsUsual: !Equals [!Ref Rate, "20"]
  IsNot: !Not [!Equals [!Ref Rate, "20"]]
Globals:
  Function:
    Timeout: 29
    Environment:
      Variables:
        NOTES_TABLE: !Ref NotesTable
        SECRETS_PREFIX: !Ref Prefix
        MODE: plain
        RATE: !Ref Rate
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: { Auth: { DefaultAuthorizer: Jwt } }
  NotesFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/notes/
      Timeout: 20
      Environment: { Variables: { MODE: special } }
      Events:
        Nightly: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 day) } }
        Read: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: "/notes/{id}" } }
  NotesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${AWS::StackName}-notes"
      AttributeDefinitions:
        - { AttributeName: owner, AttributeType: S }
        - { AttributeName: seq, AttributeType: N }
      KeySchema:
        - { AttributeName: owner, KeyType: HASH }
        - { AttributeName: seq, KeyType: RANGE }
      GlobalSecondaryIndexes:
        - IndexName: by-seq
          KeySchema: [{ AttributeName: seq, KeyType: HASH }]
          Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [title] }
      TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }
      StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }
"#;

fn attribute(name: &str, kind: ScalarAttributeType) -> Attribute {
    Attribute { name: name.to_owned(), kind }
}

#[test]
fn the_bundled_template_can_be_read() {
    let template = Template::bundled().unwrap();
    let names = template.table_names("passerelle");
    assert_eq!(names.len(), template.tables.len(), "a variable for each table: {names:?}");
    assert_eq!(names["PAYMENT_METHODS_TABLE"], "passerelle-payment-methods");
    assert!(template.routes.iter().any(|r| (r.method.as_str(), r.path.as_str()) == ("POST", "/payments")));
    let folders: Vec<&str> = template.functions.iter().map(|function| function.folder.as_str()).collect();
    for folder in ["pay", "invoices", "settings", "payment-methods"] {
        assert!(folders.contains(&folder), "{folder} in {folders:?}");
    }
}

#[test]
fn a_table_is_read_whole() {
    let template = Template::load(SMALL).unwrap();
    let (owner, seq) = (attribute("owner", ScalarAttributeType::S), attribute("seq", ScalarAttributeType::N));
    let expected = Table {
        logical_id: "NotesTable".to_owned(),
        suffix: "notes".to_owned(),
        key: Key { partition: owner, sort: Some(seq.clone()) },
        indexes: vec![Index {
            name: "by-seq".to_owned(),
            key: Key { partition: seq, sort: None },
            projection: ProjectionType::Include,
            included: vec!["title".to_owned()],
        }],
        ttl_attribute: Some("expires_at".to_owned()),
        stream: Some(StreamViewType::NewAndOldImages),
    };
    assert_eq!(template.tables, [expected]);
}

#[test]
fn a_function_has_its_own_settings_over_the_common_ones() {
    let template = Template::load(SMALL).unwrap();
    let function = &template.functions[0];
    assert_eq!((function.folder.as_str(), function.timeout), ("notes", Duration::from_secs(20)));
    let environment: Vec<(&str, String)> =
        function.environment.iter().map(|(name, setting)| (name.as_str(), setting.resolve("dev"))).collect();
    let expected =
        [("MODE", "special"), ("NOTES_TABLE", "dev-notes"), ("RATE", "20"), ("SECRETS_PREFIX", "passerelle")];
    assert_eq!(environment, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn what_depends_on_a_condition_is_what_it_is_while_nobody_sets_a_parameter() {
    for (condition, expected) in [("IsUsual", "20"), ("IsFast", "slow")] {
        let text = SMALL.replacen("MODE: special", &format!("MODE: !If [{condition}, !Ref Rate, slow]"), 1);
        let template = Template::load(&text).unwrap();
        assert_eq!(template.functions[0].environment["MODE"], Setting::Text(expected.to_owned()), "{condition}");
    }
}

#[test]
fn only_events_of_the_http_api_are_routes() {
    let template = Template::load(SMALL).unwrap();
    let expected = Route { method: Method::GET, path: "/notes/{id}".to_owned(), function: "notes".to_owned() };
    assert_eq!(template.routes, [expected]);
}

#[test]
fn only_a_function_with_a_url_of_its_own_has_one() {
    assert!(!Template::load(SMALL).unwrap().functions[0].url);
    let open = "      Timeout: 20\n      FunctionUrlConfig: { AuthType: NONE, InvokeMode: BUFFERED }";
    assert!(Template::load(&SMALL.replacen("      Timeout: 20", open, 1)).unwrap().functions[0].url);
}

#[test]
fn what_is_not_understood_is_an_error_that_names_its_place() {
    let cases = [
        ("Timeout: 20", "Timeout: soon", "Resources.NotesFunction.Properties.Timeout should be a number"),
        ("CodeUri: functions/notes/", "CodeUri: notes", "Resources.NotesFunction.Properties.CodeUri should be"),
        ("MODE: special", "MODE: !GetAtt Queue.Arn", "NotesFunction.Properties.Environment.Variables.MODE should be"),
        ("MODE: special", "MODE: !If [IsNot, a, b]", "in the template, Conditions.IsNot should be !Equals"),
        ("MODE: special", "MODE: !If [IsNew, a, b]", "the template has no Conditions.IsNew"),
        ("MODE: special", "MODE: !If [IsFast, a]", "NotesFunction.Properties.Environment.Variables.MODE should be"),
        ("!Ref NotesTable", "!Ref OtherTable", "Globals.Function.Environment.Variables.NOTES_TABLE should be"),
        ("Method: GET", "Method: ANY", "NotesFunction.Properties.Events.Read.Properties.Method should be"),
        ("/notes/{id}", "/notes/{rest+}", "NotesFunction.Properties.Events.Read.Properties.Path should be"),
        ("Method: GET,", "Method: GET, Auth: {},", "NotesFunction.Properties.Events.Read.Properties.Auth should be"),
        ("{ DefaultAuthorizer: Jwt }", "{}", "has no Resources.Api.Properties.Auth.DefaultAuthorizer"),
        (
            "Timeout: 20",
            "Timeout: 20\n      FunctionUrlConfig: { AuthType: AWS_IAM }",
            "NotesFunction.Properties.FunctionUrlConfig.AuthType should be NONE",
        ),
        (
            "Timeout: 20",
            "Timeout: 20\n      FunctionUrlConfig: { InvokeMode: BUFFERED }",
            "has no Resources.NotesFunction.Properties.FunctionUrlConfig.AuthType",
        ),
        (
            "Timeout: 20",
            "Timeout: 20\n      FunctionUrlConfig: { AuthType: NONE, Cors: {} }",
            "NotesFunction.Properties.FunctionUrlConfig.Cors should be left out",
        ),
        (
            "  NotesFunction:",
            "  HooksFunction: &hooks { Type: AWS::Serverless::Function, Properties: { CodeUri: functions/hooks, FunctionUrlConfig: { AuthType: NONE } } }\n  MoreHooksFunction: *hooks\n  NotesFunction:",
            "MoreHooksFunction.Properties.FunctionUrlConfig should be on one function only",
        ),
        ("${AWS::StackName}-notes", "notes", "Resources.NotesTable.Properties.TableName should be"),
        ("seq, KeyType: RANGE", "seq, KeyType: SORT", "NotesTable.Properties.KeySchema.1.KeyType should be"),
        ("owner, KeyType: HASH", "user, KeyType: HASH", "NotesTable.Properties.KeySchema.0.AttributeName should be"),
        ("AttributeType: N", "AttributeType: X", "AttributeDefinitions.1.AttributeType should be S, N or B"),
        ("NEW_AND_OLD_IMAGES", "ALL", "NotesTable.Properties.StreamSpecification.StreamViewType should be"),
        ("ProjectionType: INCLUDE", "ProjectionType: SOME", "GlobalSecondaryIndexes.0.Projection.ProjectionType"),
        ("      KeySchema:", "      Keys:", "has no Resources.NotesTable.Properties.KeySchema"),
        ("Resources:", "Things:", "the template has no Resources"),
        ("Resources:", "Resources: [", "the template is not YAML"),
    ];
    for (from, to, complaint) in cases {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "{from}");
        let error = Template::load(&text).expect_err(to).to_string();
        assert!(error.contains(complaint), "{error}, but not: {complaint}");
    }
}
