/** A COCO file of the size of train2017, generated: what indexing is measured on. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export interface Generated {
  images: string;
  annotations: string;
  bytes: number;
}

const classes = 80;
const [width, height] = [640, 480];

const ownFile = fileURLToPath(import.meta.url);

/**
 * Writes `folder`/annotations.json and an empty file for each picture: sizes stand in the annotations, as in COCO. A
 * process of its own does it, so that the peak memory of this one is that of what is measured.
 */
export function generateCoco(folder: string, images: number, boxes: number): Generated {
  const options = [...process.execArgv, ownFile, folder, String(images), String(boxes)];
  return JSON.parse(execFileSync(process.execPath, options, { encoding: 'utf8' }));
}

function writeCoco(folder: string, images: number, boxes: number): Generated {
  const pictures = join(folder, 'images');
  mkdirSync(pictures, { recursive: true });
  const annotations = join(folder, 'annotations.json');
  const out = openSync(annotations, 'w');
  let text = '';
  let bytes = 0;
  const write = (part: string, last = false) => {
    text += part;
    if (text.length > 1 << 20 || last) {
      bytes += writeSync(out, text);
      text = '';
    }
  };
  write('{"info":{"description":"generated"},"licenses":[],"categories":[');
  for (let i = 1; i <= classes; ++i) write(`${i > 1 ? ',' : ''}{"id":${i},"name":"class ${i}"}`);
  write('],"images":[');
  for (let i = 1; i <= images; ++i) {
    const name = `${String(i).padStart(12, '0')}.jpg`;
    closeSync(openSync(join(pictures, name), 'w'));
    write(
      `${i > 1 ? ',' : ''}{"license":1,"file_name":"${name}","height":${height},"width":${width},"date_captured":"2013-11-14 17:02:52","id":${i}}`,
    );
  }
  write('],"annotations":[');
  for (let i = 1; i <= boxes; ++i) {
    // Spread by multiples of primes: no two runs differ, and no two neighbours are alike.
    const w = 8 + ((i * 37) % 300);
    const h = 8 + ((i * 53) % 200);
    const x = (i * 71) % (width - w);
    const y = (i * 89) % (height - h);
    const outline: string[] = [];
    for (let corner = 0; corner < 30; ++corner) {
      const angle = (2 * Math.PI * corner) / 30;
      outline.push(
        (x + (w / 2) * (1 + Math.cos(angle))).toFixed(2),
        (y + (h / 2) * (1 + Math.sin(angle))).toFixed(2),
      );
    }
    write(
      `${i > 1 ? ',' : ''}{"segmentation":[[${outline.join(',')}]],"area":${(0.78 * w * h).toFixed(4)},"iscrowd":0,"image_id":${1 + ((i * 13) % images)},"bbox":[${x},${y},${w},${h}],"category_id":${1 + (i % classes)},"id":${i}}`,
    );
  }
  write(']}', true);
  closeSync(out);
  return { images: pictures, annotations, bytes };
}

if (process.argv[1] === ownFile) {
  const [folder = '.', images, boxes] = process.argv.slice(2);
  process.stdout.write(JSON.stringify(writeCoco(folder, Number(images), Number(boxes))));
}
