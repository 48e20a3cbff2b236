/**
 * A DI scope made for one attempt of a run and disposed after it. `Services` maps names to types where the
 * application has such a map (an awilix cradle type, for example).
 */
export interface ServiceScope<Services extends object = object> {
  /** @throws what the container throws for a name that it does not know */
  resolve<Name extends keyof Services & string>(name: Name): Services[Name]
  resolve<T = unknown>(name: string): T
}

/** A scope as a container makes it. */
export interface DisposableServiceScope {
  resolve(name: string): unknown
  dispose(): unknown
}

/** Makes the scopes. One method, so that an awilix container fits as it is. */
export interface ServiceScopeFactory {
  createScope(): DisposableServiceScope
}
