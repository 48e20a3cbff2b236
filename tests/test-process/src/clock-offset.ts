// May be preloaded: from here on `Date` of this process can be shifted against the machine's clock. Monotonic clocks are not.
const RealDate = globalThis.Date
let offsetMs = 0

/** Shifts `Date` of this process to so many ms ahead of the machine's clock. */
export function setClockOffset(ms: number): void {
  offsetMs = ms
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + offsetMs] : args, newTarget) as object,
  apply: () => new RealDate(RealDate.now() + offsetMs).toString(),
  get: (target, key, receiver) =>
    key === 'now' ? () => RealDate.now() + offsetMs : (Reflect.get(target, key, receiver) as unknown),
})
