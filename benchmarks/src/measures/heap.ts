/** Bytes in use after what is garbage has gone. Synchronous, so no timer fires meanwhile. */
export function usedHeap(): number {
  if (!globalThis.gc) throw new Error('Samples need node --expose-gc.')
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed
}
