//! A line of `--json` against the schema that is checked in.

use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../../docs/events.schema.json");

pub(crate) fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

/// What is wrong with a value, by the part of JSON Schema that ours uses.
pub(crate) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let fails = |what: String| Err(format!("{what}: {value}"));
    let Some(schema) = schema.as_object() else { return fails("not a schema".to_owned()) };
    for (word, rule) in schema {
        let is_right = match word.as_str() {
            "type" => match rule.as_array() {
                Some(kinds) => kinds.iter().any(|kind| is_a(kind, value)),
                None => is_a(rule, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= rule.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= rule.as_f64()),
            "minItems" => {
                value.as_array().is_none_or(|all| Some(all.len() as u64) >= rule.as_u64())
            }
            "pattern" => {
                value.as_str().is_none_or(|text| fits(rule.as_str().unwrap_or_default(), text))
            }
            "required" => rule.as_array().is_some_and(|names| {
                names.iter().all(|name| value.get(name.as_str().unwrap_or_default()).is_some())
            }),
            "oneOf" => {
                let all = rule.as_array().expect("a list");
                all.iter().filter(|one| check(one, value).is_ok()).count() == 1
            }
            "properties" => {
                for (name, rule) in rule.as_object().expect("an object") {
                    if let Some(part) = value.get(name) {
                        check(rule, part)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().expect("an object");
                let is_known =
                    |name: &String| known.contains_key(name) || fits_pattern(schema, name);
                value.as_object().is_none_or(|all| all.keys().all(is_known))
            }
            "patternProperties" => {
                for (pattern, rule) in rule.as_object().expect("an object") {
                    for (name, part) in value.as_object().into_iter().flatten() {
                        if fits(pattern, name) {
                            check(rule, part)?;
                        }
                    }
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(rule, item)?;
                }
                true
            }
            "$schema" | "$id" | "title" | "description" => true,
            _ => return fails(format!("this checker does not know {word}")),
        };
        if !is_right {
            return fails(format!("{word} {rule}"));
        }
    }
    Ok(())
}

/// Whether a name is one of those that the schema has a pattern for.
fn fits_pattern(schema: &serde_json::Map<String, Value>, name: &str) -> bool {
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    patterns.is_some_and(|patterns| patterns.keys().any(|pattern| fits(pattern, name)))
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// The patterns that the schema has, by hand.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[a-z0-9-]+$" => {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        }
        "^[A-Za-z0-9+/]*={0,2}$" => {
            let bare = text.trim_end_matches('=');
            text.len() - bare.len() <= 2
                && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
        }
        "^[a-z0-9]+\\.[a-z-]+$" => text.split_once('.').is_some_and(|(layer, name)| {
            let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let is_name = |b: u8| b.is_ascii_lowercase() || b == b'-';
            !layer.is_empty()
                && layer.bytes().all(is_word)
                && !name.is_empty()
                && name.bytes().all(is_name)
        }),
        time if time.starts_with("^[0-9]{4}-") => {
            let shape: String =
                text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            shape == "0000-00-00T00:00:00.000Z"
        }
        other => panic!("this checker does not know the pattern {other}"),
    }
}

/// A line as an event of the schema; it must be one.
pub(crate) fn valid(line: &str) -> Value {
    let schema = schema();
    let value: Value = serde_json::from_str(line).expect(line);
    if let Err(wrong) = check(&schema, &value) {
        let of_its_type = schema["oneOf"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|one| one["properties"]["type"]["const"] == value["type"]);
        let detail = of_its_type.map(|one| check(one, &value));
        panic!("{wrong}\n{detail:?}");
    }
    value
}
