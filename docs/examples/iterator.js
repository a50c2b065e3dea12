// Trains from pictures that this program draws: bright squares on dark ground. Run: node docs/examples/iterator.js
import { Trainer } from 'hdtrain';

const side = 96;

/** A picture and its box, the same for the same index. */
function square(index) {
  const size = 24 + ((index * 7) % 32);
  const [left, top] = [(index * 13) % (side - size), (index * 29) % (side - size)];
  const image = new Uint8Array(side * side * 3).fill(30);
  for (let y = top; y < top + size; ++y) image.fill(220, (y * side + left) * 3, (y * side + left + size) * 3);
  return { image, width: side, height: side, boxes: [[left, top, left + size, top + size]], labels: [0] };
}

const source = (length, first) => ({ length, classes: ['square'], get: (index) => square(first + index) });
const steps = Number(process.env.STEPS ?? 200);

const trainer = new Trainer(
  {
    model: { neckChannels: 64, headChannels: 64, headConvs: 1 },
    data: { format: 'source', train: {}, val: {}, size: side },
    train: { steps, batch: 8, lr: 0.02, lrBatch: 0, ema: { decay: 0.9, warmup: 20 } },
  },
  { run: process.env.RUN, sources: { train: source(64, 0), val: source(16, 1000) } },
);
const run = trainer.run();
for await (const event of run) {
  if (event.type === 'step') console.log(`step ${event.step}: loss ${event.losses.total.toFixed(3)}`);
}
const { metrics, weights } = await run;
console.log(`AP ${metrics.ap.toFixed(3)}: ${weights}`);
