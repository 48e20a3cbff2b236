import { describe, expect, it } from 'vitest'
import { linearScale, logScale, niceTicks, renderPlots } from './svg-plot.ts'

describe('linearScale', () => {
  it('maps evenly, also downwards', () => {
    const scale = linearScale([0, 10], [200, 100])
    expect([0, 5, 10].map(scale)).toEqual([200, 150, 100])
  })

  it('puts everything in one place when there is one value', () => {
    expect(linearScale([3, 3], [10, 20])(3)).toBe(10)
  })
})

describe('logScale', () => {
  it('gives each factor of ten the same room', () => {
    const scale = logScale([100, 100_000], [0, 300])
    expect([100, 1_000, 10_000, 100_000].map((value) => Math.round(scale(value)))).toEqual([0, 100, 200, 300])
  })
})

describe('niceTicks', () => {
  it.each([
    [4.3, [0, 1, 2, 3, 4, 5]],
    [0.9, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [667, [0, 200, 400, 600, 800]],
    [10, [0, 2, 4, 6, 8, 10]],
    [0, [0, 1]],
  ])('goes up to at least %s', (max, ticks) => {
    expect(niceTicks(max)).toEqual(ticks)
  })
})

describe('renderPlots', () => {
  it('draws a line for each series, with its name and its points in their places', () => {
    const svg = renderPlots([
      {
        title: 'a < b',
        xTitle: 'workers',
        yTitle: 'µs',
        series: [
          {
            name: 'ours',
            points: [
              { x: 100, y: 0 },
              { x: 1_000, y: 5 },
            ],
          },
        ],
      },
    ])
    expect(svg).toContain('<title>a &lt; b</title>')
    expect(svg).toContain('<path d="M64 214L510 40"')
    expect(svg.match(/<circle/g)).toHaveLength(3)
    expect(svg).toContain('>ours</text>')
    expect(svg).toContain('>1,000</text>')
  })
})
