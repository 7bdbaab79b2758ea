//! Limits by name, with the kinds that each counts. The store knows kinds by name only; the
//! catalogue knows which kind asks which provider.

use std::sync::Arc;

use common::{
    kind::{Catalog, Provider},
    port::PortResult,
    store::{Limit, LimitScope, Store},
};

/// Builds a limit; `None` if the catalogue has no such kind, or no kind that asks that provider.
pub fn limit(catalog: &Catalog, scope: LimitScope, name: &str, most: u32) -> Option<Limit> {
    let kinds = match scope {
        LimitScope::Tenant => Vec::new(),
        LimitScope::Kind => vec![catalog.get(name)?.name.to_owned()],
        LimitScope::Provider => {
            catalog.calling(Provider::parse(name)?).map(str::to_owned).collect()
        }
    };
    Some(Limit { scope, name: name.to_owned(), most, kinds })
}

/// Updates the kinds that the stored provider limits count: a newer program may have more.
pub async fn refresh(store: Arc<dyn Store>, catalog: Arc<Catalog>) {
    if let Err(error) = refresh_once(store.as_ref(), &catalog).await {
        tracing::warn!(
            %error,
            "limits of providers count the kinds that were known when they were set"
        );
    }
}

async fn refresh_once(store: &dyn Store, catalog: &Catalog) -> PortResult<()> {
    for stored in store.limits().await? {
        let now = limit(catalog, stored.scope, &stored.name, stored.most);
        if let Some(mut now) = now.filter(|now| now.scope == LimitScope::Provider) {
            // An older program in the fleet goes on counting the kinds it knows.
            now.kinds.extend(stored.kinds.iter().cloned());
            now.kinds.sort_unstable();
            now.kinds.dedup();
            if now.kinds != stored.kinds {
                store.set_limit(&now).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use common::kinds;

    use super::*;

    #[test]
    fn a_limit_counts_the_kinds_of_its_name() {
        let catalog = Catalog::new(&[kinds::ALL]);
        let of = |scope, name| limit(&catalog, scope, name, 3).map(|limit| limit.kinds);
        assert_eq!(of(LimitScope::Tenant, "anyone"), Some(vec![]));
        assert_eq!(of(LimitScope::Kind, "speech"), Some(vec!["speech".to_owned()]));
        assert_eq!(of(LimitScope::Kind, "nope"), None);
        assert_eq!(
            of(LimitScope::Provider, "text").map(|kinds| kinds.join(" ")).as_deref(),
            Some("hook ideas score script")
        );
        assert_eq!(of(LimitScope::Provider, "smell"), None);
    }
}
