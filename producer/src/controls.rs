//! Limits as operators name them, with the kinds that each counts. The store knows kinds by name only; who asks which provider is the
//! catalogue's to say.

use std::sync::Arc;

use common::{
    kind::{Catalog, Provider},
    port::PortResult,
    store::{Limit, LimitScope, Store},
};

/// A limit of this scope and name; `None` where the catalogue knows no such kind, or nobody such a provider.
pub fn limit(catalog: &Catalog, scope: LimitScope, name: &str, most: u32) -> Option<Limit> {
    let kinds = match scope {
        LimitScope::Tenant => Vec::new(),
        LimitScope::Kind => vec![catalog.get(name)?.name.to_owned()],
        LimitScope::Provider => catalog.asking(Provider::parse(name)?).map(str::to_owned).collect(),
    };
    Some(Limit { scope, name: name.to_owned(), most, kinds })
}

/// Has the stored limits of providers count the kinds that ask them now: a program that is new may bring more.
pub async fn refresh(store: Arc<dyn Store>, catalog: Arc<Catalog>) {
    if let Err(error) = refresh_once(store.as_ref(), &catalog).await {
        tracing::warn!(%error, "limits of providers count the kinds that were known when they were set");
    }
}

async fn refresh_once(store: &dyn Store, catalog: &Catalog) -> PortResult<()> {
    for stored in store.limits().await? {
        let now = limit(catalog, stored.scope, &stored.name, stored.most);
        if let Some(mut now) = now.filter(|now| now.scope == LimitScope::Provider) {
            // An older program beside this one goes on counting what it knows.
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
    fn a_limit_counts_what_its_name_stands_for() {
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
