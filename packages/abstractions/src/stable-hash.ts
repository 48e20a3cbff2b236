/**
 * A number in [0, 2^52) that depends on `text` only: the same in every process, version and machine. Two FNV-1a
 * hashes (http://www.isthe.com/chongo/tech/comp/fnv/) with different starts. Interval offsets and jitter are made of
 * it, so it must never change.
 */
export function stableHash(text: string): number {
  let low = 0x811c9dc5
  let high = 0x9747b28c
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x01000193)
  }
  return (mix(high) & 0xfffff) * 2 ** 32 + mix(low)
}

/** Spreads the last characters over all bits (the finalizer of MurmurHash3); names that end in 1, 2, 3 land apart. */
function mix(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
