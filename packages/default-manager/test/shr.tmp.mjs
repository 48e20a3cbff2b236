import fc from 'fast-check'
const base='/work/main/packages/default-manager/test/simulation/'
const { Script, scripts } = await import(base+'script.ts'); const { simulate } = await import(base+'simulate.ts')
const seed=+process.argv[2]
  let a=(seed*2654435761)>>>0
  const rnd=()=>{a=(a+0x6D2B79F5)|0;let t=Math.imul(a^(a>>>15),1|a);t=(t+Math.imul(t^(t>>>7),61|t))^t;return (t^(t>>>14))>>>0}
const s=new Script(Array.from({length:10000},rnd))
const r = await fc.check(fc.asyncProperty(scripts(10000),async (x)=>{await simulate(x)}),{examples:[[s]],numRuns:1,interruptAfterTimeLimit:+(process.argv[3]??60)*1000})
console.log(fc.stringify(r.counterexample[0]), r.errorInstance?.message, r.errorInstance?.cause?.stack)
