//! Budgets: one action for all that reads one, and one for all that changes one.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let name = asks
        .text("BudgetName")
        .or_else(|| ["Budget", "NewBudget"].iter().find_map(|one| input[*one].text("BudgetName")));
    let arn = format!("arn:aws:budgets::{}:budget/{}", asks.request.account, name.unwrap_or("*"));
    let tags = tags_of(input.list("ResourceTags"), "Key", "Value");
    let given = asks.text("ResourceARN").map_or_else(|| arn.clone(), str::to_owned);
    match asks.operation() {
        "CreateBudget" => {
            asks.add(Ask::on("budgets:ModifyBudget", &arn).tags(&tags));
            asks.tag_made("budgets:TagResource", arn, &tags)
        }
        "UpdateBudget" | "DeleteBudget" | "CreateNotification" | "DeleteNotification" | "CreateSubscriber"
        | "DeleteSubscriber" => asks.on("budgets:ModifyBudget", arn),
        "DescribeBudget"
        | "DescribeBudgets"
        | "DescribeNotificationsForBudget"
        | "DescribeSubscribersForNotification" => asks.on("budgets:ViewBudget", arn),
        "TagResource" => asks.add(Ask::on("budgets:TagResource", given).tags(&tags)),
        "UntagResource" => asks.add(Ask::on("budgets:UntagResource", given).tag_keys(input.texts("ResourceTagKeys"))),
        "ListTagsForResource" => asks.on("budgets:ListTagsForResource", given),
        _ => None,
    }
}
