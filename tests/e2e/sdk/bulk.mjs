// Buys a bulk of datasets with the JavaScript library of SDK 9.0.1, and reads its results.
// node bulk.mjs '{"host", "hub", "market", "sms", "files", "seller", "buyer", "pool", "app",
// "appOrder", "datasets", "key"}'; prints one JSON object. "files" is an IPFS node and its
// gateway; "key" the PEM of the buyer's private key for results.
import { IExec, utils } from 'iexec';

const given = JSON.parse(process.argv[2]);
const options = {
  iexecGatewayURL: given.market,
  compassURL: given.market,
  smsURL: given.sms,
  ipfsGatewayURL: given.files,
  ipfsNodeURL: given.files,
  hubAddress: given.hub,
};
const as = (key) =>
  new IExec({ ethProvider: utils.getSignerFromPrivateKey(given.host, key) }, options);
const [seller, buyer] = [given.seller, given.buyer].map(as);

const datasetorders = [];
for (const [number, dataset] of given.datasets.entries()) {
  const terms = { dataset, datasetprice: 0, volume: utils.DATASET_INFINITE_VOLUME };
  // the last may be used by another app alone: in this bulk its order is of no use
  if (number === given.datasets.length - 1) terms.apprestrict = given.pool;
  datasetorders.push(
    await seller.order.signDatasetorder(await seller.order.createDatasetorder(terms)),
  );
}
const { cid, volume } = await buyer.order.prepareDatasetBulk(datasetorders, {
  maxDatasetPerTask: 2,
  thegraphUpload: false,
});
const apporder = (await buyer.orderbook.fetchApporder(given.appOrder)).order;
const { orders } = await buyer.orderbook.fetchWorkerpoolOrderbook({
  workerpool: given.pool,
  category: 0,
  minTag: ['tee', 'tdx'],
});
const requestorder = await buyer.order.signRequestorder(
  await buyer.order.createRequestorder({
    app: given.app,
    workerpool: given.pool,
    workerpoolmaxprice: orders[0].order.workerpoolprice,
    category: 0,
    volume,
    params: { bulk_cid: cid, iexec_result_encryption: true },
  }),
);
const deal = await buyer.order.matchOrders({
  apporder,
  workerpoolorder: orders[0].order,
  requestorder,
});
const seen = await buyer.deal.obsDeal(deal.dealid);
await new Promise((complete, error) => {
  seen.subscribe({ next: () => {}, error, complete });
});
const results = [];
for (let index = 0; index < volume; index += 1) {
  const task = await buyer.deal.computeTaskId(deal.dealid, index);
  const shut = await (await buyer.task.fetchResults(task)).arrayBuffer();
  const open = await utils.decryptResult(Buffer.from(shut), given.key);
  results.push(Buffer.from(open).toString('base64'));
}
console.log(JSON.stringify({ cid, volume, results }));
