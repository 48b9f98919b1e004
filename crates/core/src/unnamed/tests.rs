use super::*;

const A: &str = "arn:x:targetgroup/shop-a/1";
const B: &str = "arn:x:targetgroup/shop-b/1";
const NAMED_RULE: &str = "arn:x:listener-rule/app/shop/1/2/3";
const OTHER_RULE: &str = "arn:x:listener-rule/app/shop/1/2/4";
const LISTENER: &str = "arn:x:listener/app/shop/1/5";

fn weights(on: &str, routes: &[(&str, u32)]) -> Weights {
    let route = |(arn, weight): &(&str, u32)| Route::to(*arn, *weight);
    Weights { on: on.into(), routes: routes.iter().map(route).collect() }
}

fn lane(test: &str, by: Movement) -> [Lane; 1] {
    [Lane { production: A.into(), test: test.into(), by }]
}

fn sides() -> Vec<String> {
    vec![A.into(), B.into()]
}

fn weighted() -> [Lane; 1] {
    lane(B, Movement::Weights { on: NAMED_RULE.into() })
}

#[test]
fn a_rule_or_listener_that_is_not_named_and_reaches_a_side_is_in_the_way() {
    let named = weights(NAMED_RULE, &[(A, 100), (B, 0)]);
    for on in [OTHER_RULE, LISTENER] {
        for side in [A, B] {
            let found = forwards(&weighted(), &[named.clone(), weights(on, &[(side, 1)])], &sides());
            assert_eq!(found.len(), 1, "{found:?}");
            for words in [on, short(side), "routing.weighted"] {
                assert!(found[0].contains(words), "{words} is missing in {found:?}");
            }
        }
    }
    assert!(forwards(&weighted(), &[named], &sides()).is_empty());
}

#[test]
fn a_weight_of_0_reaches_nobody_unless_all_are_0() {
    let other = |routes: &[(&str, u32)]| [weights(OTHER_RULE, routes)];
    let elsewhere = "arn:x:targetgroup/other/1";
    assert!(forwards(&weighted(), &other(&[(elsewhere, 1), (A, 0)]), &sides()).is_empty());
    assert_eq!(forwards(&weighted(), &other(&[(elsewhere, 0), (A, 0)]), &sides()).len(), 1);
    assert!(forwards(&weighted(), &other(&[(elsewhere, 5)]), &sides()).is_empty());
}

#[test]
fn only_the_sides_that_are_asked_for_count() {
    let to_production = [weights(OTHER_RULE, &[(A, 1)])];
    assert!(forwards(&weighted(), &to_production, &[B.into()]).is_empty());
}

#[test]
fn both_of_a_pair_of_listeners_are_named() {
    let exchange = Movement::Exchange { production: NAMED_RULE.into(), test: LISTENER.into() };
    let all = [weights(NAMED_RULE, &[(A, 1)]), weights(LISTENER, &[(B, 1)]), weights(OTHER_RULE, &[(B, 1)])];
    let found = forwards(&lane(B, exchange), &all, &sides());
    assert!(matches!(found.as_slice(), [one] if one.contains(OTHER_RULE) && one.contains("routing.listeners")));
}

#[test]
fn shared_target_groups_may_have_any_number_of_rules() {
    let both = [weights(NAMED_RULE, &[(A, 1)]), weights(OTHER_RULE, &[(A, 1)])];
    assert!(forwards(&lane(A, Movement::Attachment), &both, &[A.into()]).is_empty());
}

#[test]
fn a_stage_that_users_reach_by_weight_is_in_the_way_and_one_with_a_listener_of_its_own_is_not() {
    let own = [weights(NAMED_RULE, &[(A, 1)]), weights(LISTENER, &[(B, 1)])];
    assert!(forwards(&lane(B, Movement::Attachment), &own, &sides()).is_empty());
    let parted = [weights(NAMED_RULE, &[(A, 90), (B, 10)])];
    let found = forwards(&lane(B, Movement::Attachment), &parted, &sides());
    assert!(matches!(found.as_slice(), [one] if one.contains("shop-a 90 : shop-b 10")), "{found:?}");
}

#[test]
fn hundreds_of_rules_are_told_in_few_words() {
    let many: Vec<Weights> = (0..300).map(|n| weights(&format!("{OTHER_RULE}{n}"), &[(A, 1)])).collect();
    let found = forwards(&weighted(), &many, &sides());
    assert_eq!(found.len(), NAMED + 1);
    assert!(found[NAMED].contains("290 more"), "{}", found[NAMED]);
}

#[test]
fn a_delay_of_nothing_is_in_the_way_and_a_short_one_is_told() {
    let with =
        |seconds: &[u32]| short_delay(&seconds.iter().map(|seconds| (A.to_owned(), *seconds)).collect::<Vec<_>>());
    assert!(matches!(with(&[30, 0]), Some(Err(words)) if words.contains("shop-a has a deregistration delay of 0 s")));
    assert!(matches!(with(&[30, 5]), Some(Ok(words)) if words.contains("less than 15 s")));
    assert_eq!(with(&[15, 300]), None);
}
