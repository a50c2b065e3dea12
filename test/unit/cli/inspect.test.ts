import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { run, temporaryFolder, writeRecipe } from '../../faults/command.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));
const config = writeRecipe(folder);

interface Tensor {
  name: string;
  shape: number[];
  count: number;
  buffer: boolean;
  trainable: boolean;
}
interface Inspection {
  classes: number;
  canvas: [number, number];
  parameters: number;
  trainable: number;
  multiplyAdds: number;
  taps: { name: string; shape: number[]; stride: number }[];
  tensors: Tensor[];
}

function inspect(...args: string[]): Inspection {
  const end = run(['inspect', '--config', config, '--json', ...args]);
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}
const set = (...fields: string[]) => fields.flatMap((field) => ['--set', field]);

describe('published parameter counts', () => {
  const full = set(
    'model.neckChannels=256',
    'model.headChannels=256',
    'model.headConvs=4',
    'model.classes=80',
  );
  for (const [backbone, count] of [
    ['resnet18', 19_420_889],
    ['resnet34', 29_529_049],
    ['resnet50', 32_440_537],
  ] as const) {
    test(`GFL on ${backbone}, 80 classes: ${count}`, () => {
      assert.equal(inspect(...full, ...set(`model.backbone=${backbone}`)).parameters, count);
    });
  }
  test('GFL v2 as published has 3 714 more, of which 2 305 are its spare class column', () => {
    const second = set('model.detector=gflv2');
    assert.equal(inspect(...full, ...second, ...set('model.preset=released')).parameters, 19_420_889 + 3_714);
    assert.equal(inspect(...full, ...second).parameters, 19_420_889 + 3_714 - (9 * 256 + 1));
  });
  test('ATSS and FCOS have a centerness predictor more; RetinaNet nine anchors and no group norm', () => {
    const centerness = 9 * 256 + 1;
    assert.equal(inspect(...full, ...set('model.detector=atss')).parameters, 19_420_889 + centerness);
    // FCOS: a bias in every convolution of the towers.
    assert.equal(
      inspect(...full, ...set('model.detector=fcos')).parameters,
      19_420_889 + centerness + 8 * 256,
    );
    // Eight group norms of 512 become eight biases of 256, five scales go; the predictors have nine times the channels; its
    // first extra level reads 512 channels of the backbone instead of 256.
    const predictors = 8 * (9 * 256 + 1) * (80 + 68);
    const retinanet = inspect(...full, ...set('model.detector=retinanet'));
    assert.equal(retinanet.parameters, 19_420_889 - 8 * 256 - 5 + predictors + 9 * 256 * 256);
  });
});

test('counts are those of the tensors that it lists', () => {
  const found = inspect(
    '--parameters',
    ...set('model.frozenStages=1', 'model.norm=eval', 'model.weights=none.pth'),
  );
  const sum = (list: Tensor[]) => list.reduce((total, { count }) => total + count, 0);
  const learned = found.tensors.filter(({ buffer }) => !buffer);
  assert.equal(sum(learned), found.parameters);
  assert.equal(sum(learned.filter(({ trainable }) => trainable)), found.trainable);
  assert.equal(found.parameters - found.trainable, 157_504); // stem and layer1 of a ResNet-18
  for (const { shape, count } of found.tensors)
    assert.equal(
      shape.reduce((product, side) => product * side, 1),
      count,
    );
});

test('the canvas is what --size asks for, rounded up to what the network takes', () => {
  assert.deepEqual(inspect().canvas, [64, 64]);
  assert.deepEqual(inspect('--size', '100', '130').canvas, [128, 160]);
  assert.deepEqual(inspect('--size', '96').canvas, [96, 96]);
  const [small, large] = [inspect('--size', '64'), inspect('--size', '128')];
  assert.ok(large.multiplyAdds > 3.9 * small.multiplyAdds && large.multiplyAdds < 4.1 * small.multiplyAdds);
  const p3 = large.taps.find(({ name }) => name === 'neck.p3');
  assert.deepEqual([p3?.stride, p3?.shape.slice(-2)], [8, [16, 16]]);
});

test('classes come from the recipe, by number or names, or from the data', () => {
  assert.equal(inspect().classes, 4);
  assert.equal(inspect(...set('model.classes=7')).classes, 7);
  assert.equal(inspect(...set('model.classes=[a, b, c]')).classes, 3);
});

test('for people: a line of totals, the taps, and what to type next', () => {
  const end = run(['inspect', '--config', config]);
  assert.equal(end.status, 0, end.stderr);
  assert.match(end.stdout, /gfl on resnet18, 4 classes, canvas 64×64/);
  assert.match(end.stdout, /parameters \([\d\s,.]+ learn\), \d+\.\d\d G multiply-adds/);
  assert.match(end.stdout, /head\.cls\.p3/);
  assert.match(end.stdout, /next: .*--parameters/);
  assert.match(run(['inspect', '--config', config, '--parameters']).stdout, /bbox_head\.gfl_cls\.weight/);
});

test('sizes that make no sense are refused', () => {
  for (const size of [['0'], ['-64'], ['64.5'], ['99999'], ['64', '64', '64'], ['wide']]) {
    const end = run(['inspect', '--config', config, '--size', ...size]);
    assert.equal(end.status, 2, size.join(' '));
    assert.match(end.stderr, /HD_USAGE/);
  }
});
