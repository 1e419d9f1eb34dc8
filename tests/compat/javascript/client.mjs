// The official JavaScript client against a real cluster: typed CRUD, patches, errors, custom objects, watch with resume,
// and an informer that must see every change once. Usage: node client.mjs KUBECONFIG. Fails with the first broken promise.
import assert from 'node:assert/strict';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromFile(process.argv[2]);
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const definitions = config.makeApiClient(k8s.ApiextensionsV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const namespace = 'javascript';

// Resolves when `holds` does; the bound only ends a broken run.
async function eventually(what, holds) {
  const end = Date.now() + 20_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function expectError(code, reason, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.code, code, error.message);
    const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    assert.equal(body.kind, 'Status');
    assert.equal(body.reason, reason);
    return body;
  }
  assert.fail(`expected ${code} ${reason}`);
}

function configMap(name, data) {
  return { metadata: { name, labels: { suite: 'javascript' } }, data };
}

async function crud() {
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  const created = await core.createNamespacedConfigMap({ namespace, body: configMap('one', { color: 'blue' }) });
  assert.equal(created.data.color, 'blue');
  assert.ok(created.metadata.creationTimestamp instanceof Date);
  await expectError(409, 'AlreadyExists', () => core.createNamespacedConfigMap({ namespace, body: configMap('one') }));

  created.data.color = 'green';
  const replaced = await core.replaceNamespacedConfigMap({ name: 'one', namespace, body: created });
  assert.notEqual(replaced.metadata.resourceVersion, created.metadata.resourceVersion);
  await expectError(409, 'Conflict', () => core.replaceNamespacedConfigMap({ name: 'one', namespace, body: created }));

  const patched = await core.patchNamespacedConfigMap(
    { name: 'one', namespace, body: [{ op: 'add', path: '/data/size', value: 'small' }] });
  assert.deepEqual(patched.data, { color: 'green', size: 'small' });

  const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'suite=javascript' });
  assert.deepEqual(list.items.map((item) => item.metadata.name), ['one']);
  const body = await expectError(404, 'NotFound', () => core.readNamespacedConfigMap({ name: 'two', namespace }));
  assert.equal(body.message, 'configmaps "two" not found');
  await expectError(422, 'Invalid', () => core.createNamespacedConfigMap({ namespace, body: configMap('Not_A_Name') }));

  const deployment = await apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: 'web' },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'kubia' }] } },
      },
    },
  });
  assert.equal(deployment.spec.strategy.type, 'RollingUpdate');
  assert.equal(deployment.spec.progressDeadlineSeconds, 600);
  const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
  assert.equal(scale.status.replicas, 0);
  await apps.deleteNamespacedDeployment({ name: 'web', namespace });

  for (let i = 0; i < 25; ++i) await core.createNamespacedConfigMap({ namespace, body: configMap(`page-${i}`) });
  const names = new Set();
  let _continue;
  do {
    const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'suite=javascript', limit: 7, _continue });
    assert.ok(page.items.length <= 7);
    for (const item of page.items) names.add(item.metadata.name);
    _continue = page.metadata._continue;
  } while (_continue);
  assert.equal(names.size, 26);
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'suite=javascript' });
}

// A watch that is cut is taken up again from the last revision: nothing is missing, nothing comes twice.
async function watchWithResume() {
  const watch = new k8s.Watch(config);
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const start = await core.listNamespacedSecret({ namespace });
  const seen = [];
  let last = start.metadata.resourceVersion;
  async function follow(count) {
    let controller;
    const ended = new Promise((resolve) => {
      controller = watch.watch(path, { resourceVersion: last, allowWatchBookmarks: true }, (type, object) => {
        last = object.metadata.resourceVersion;
        if (type !== 'BOOKMARK') seen.push(`${type} ${object.metadata.name}`);
      }, resolve);
    });
    await eventually(`${count} events`, () => seen.length >= count);
    (await controller).abort();
    await ended;
  }
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'a' }, stringData: { key: 'value' } } });
  await follow(1);
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'b' } } });
  await core.deleteNamespacedSecret({ name: 'a', namespace });
  await follow(3);
  await core.deleteNamespacedSecret({ name: 'b', namespace });
  await follow(4);
  assert.deepEqual(seen, ['ADDED a', 'ADDED b', 'DELETED a', 'DELETED b']);
}

async function informer() {
  const path = `/api/v1/namespaces/${namespace}/services`;
  const known = new Map();
  const counts = { add: 0, update: 0, delete: 0 };
  const services = k8s.makeInformer(config, path, () => core.listNamespacedService({ namespace }));
  services.on('add', (object) => { ++counts.add; known.set(object.metadata.name, object); });
  services.on('update', (object) => { ++counts.update; known.set(object.metadata.name, object); });
  services.on('delete', (object) => { ++counts.delete; known.delete(object.metadata.name); });
  await services.start();
  for (let i = 0; i < 10; ++i) {
    await core.createNamespacedService({ namespace, body: { metadata: { name: `s${i}` }, spec: { ports: [{ port: 80 }] } } });
  }
  await core.patchNamespacedService(
    { name: 's3', namespace, body: [{ op: 'replace', path: '/spec/ports/0/port', value: 81 }] });
  await core.deleteNamespacedService({ name: 's4', namespace });
  await eventually('the informer to know 9 services, one of them changed',
    () => known.size === 9 && known.get('s3')?.spec.ports[0].port === 81);
  assert.deepEqual(counts, { add: 10, update: 1, delete: 1 });
  await services.stop();
}

async function customObjects() {
  const group = 'javascript.example.com';
  await definitions.createCustomResourceDefinition({
    body: {
      metadata: { name: `boats.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural: 'boats', singular: 'boat', kind: 'Boat' },
        versions: [{
          name: 'v1', served: true, storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: { type: 'object', properties: { sails: { type: 'integer', _default: 1 } } } },
            },
          },
        }],
      },
    },
  });
  const boat = { apiVersion: `${group}/v1`, kind: 'Boat', metadata: { name: 'junk' }, spec: { hull: 'teak' } };
  const at = { group, version: 'v1', namespace, plural: 'boats' };
  const made = await custom.createNamespacedCustomObject({ ...at, body: boat });
  assert.deepEqual(made.spec, { sails: 1 });
  const listed = await custom.listNamespacedCustomObject(at);
  assert.equal(listed.kind, 'BoatList');
  assert.equal(listed.items.length, 1);
  await definitions.deleteCustomResourceDefinition({ name: `boats.${group}` });
  await eventually('the custom kind is gone', async () => {
    try {
      await custom.listNamespacedCustomObject(at);
      return false;
    } catch (error) {
      return error.code === 404;
    }
  });
}

async function namespaceGoes() {
  await core.deleteNamespace({ name: namespace });
  await eventually('the namespace is gone', async () => {
    const all = await core.listNamespace();
    return !all.items.some((item) => item.metadata.name === namespace);
  });
}

for (const part of [crud, watchWithResume, informer, customObjects, namespaceGoes]) {
  await part();
  console.log(`ok ${part.name}`);
}
process.exit(0);
