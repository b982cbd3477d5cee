// What a seller and a buyer of confidential tasks do with the JavaScript library of SDK 9.0.1.
// node confidential.mjs '{"host", "hub", "market", "sms", "results", "seller", "buyer", "pool",
// "image", "checksum", "files", "filesUrl", "texts", "appSecret", "requesterSecret"}'; prints one
// JSON object. It changes no option of the SDK but URLs, and skips none of its checks.
import { writeFileSync } from 'node:fs';
import { IExec, utils } from 'iexec';

const given = JSON.parse(process.argv[2]);
const options = {
  iexecGatewayURL: given.market,
  compassURL: given.market,
  smsURL: given.sms,
  ipfsGatewayURL: given.results,
  ...(given.hub && { hubAddress: given.hub }),
};
const as = (key) =>
  new IExec({ ethProvider: utils.getSignerFromPrivateKey(given.host, key) }, options);
const [seller, buyer] = [given.seller, given.buyer].map(as);
const owner = await seller.wallet.getAddress();
const told = { keys: [], datasets: [] };

const app = await seller.app.deployApp({
  owner,
  name: 'reads what is told to it alone',
  type: 'DOCKER',
  multiaddr: given.image,
  checksum: given.checksum,
});
told.app = app.address;
await seller.app.pushAppSecret(app.address, given.appSecret);
told.appOrder = await seller.order.publishApporder(
  await seller.order.signApporder(
    await seller.order.createApporder({ app: app.address, volume: 100 }),
  ),
);

for (const [number, text] of given.texts.entries()) {
  const key = seller.dataset.generateEncryptionKey();
  const shut = await seller.dataset.encrypt(Buffer.from(text), key);
  const name = `secret-${number}.enc`;
  writeFileSync(`${given.files}/${name}`, shut);
  const { address } = await seller.dataset.deployDataset({
    owner,
    name,
    multiaddr: `${given.filesUrl}/${name}`,
    checksum: await seller.dataset.computeEncryptedFileChecksum(shut),
  });
  await seller.dataset.pushDatasetSecret(address, key);
  const order = await seller.order.signDatasetorder(
    await seller.order.createDatasetorder({ dataset: address, volume: 100 }),
  );
  await seller.order.publishDatasetorder(order);
  told.keys.push(key);
  told.datasets.push(address);
}

await buyer.account.deposit('10 RLC');
await buyer.secrets.pushRequesterSecret('door', given.requesterSecret);
console.log(JSON.stringify(told));
