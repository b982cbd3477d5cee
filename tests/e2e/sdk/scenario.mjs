// A long story with the JavaScript library: sell, look, buy, watch, debug, download, take back.
// node scenario.mjs '{"host", "hub", "market", "results", "seller", "buyer", "poolOwner", "pool",
// "image", "checksum", "generation"}'; prints one JSON object. Without "hub" the SDK takes the one
// that it knows of the chain.
import { IExec, utils } from 'iexec';

const given = JSON.parse(process.argv[2]);
const options = {
  iexecGatewayURL: given.market,
  compassURL: given.market,
  smsURL: given.results,
  ipfsGatewayURL: given.results,
  ...(given.hub && { hubAddress: given.hub }),
  ...(given.hub && given.generation === '8' && { isNative: false }),
};
const as = (key) =>
  new IExec({ ethProvider: utils.getSignerFromPrivateKey(given.host, key) }, options);
const [seller, buyer, poolOwner] = [given.seller, given.buyer, given.poolOwner].map(as);
const me = await buyer.wallet.getAddress();
const told = {};

const sign = async (who, kind, terms) =>
  who.order[`sign${kind}order`](await who.order[`create${kind}order`](terms));
const until = async (look, wanted) => {
  for (let left = 200; left > 0; left -= 1) {
    const found = await look();
    if (wanted(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`it did not come true: ${wanted}`);
};

// sell
const app = await seller.app.deployApp({
  owner: await seller.wallet.getAddress(),
  name: `library ${given.generation}`,
  type: 'DOCKER',
  multiaddr: given.image,
  checksum: given.checksum,
});
const appOrder = await sign(seller, 'App', { app: app.address, appprice: 2, volume: 10 });
const poolOrder = await sign(poolOwner, 'Workerpool', {
  workerpool: given.pool,
  workerpoolprice: 60,
  volume: 10,
  category: 0,
  trust: 1,
});
told.appOrder = await seller.order.publishApporder(appOrder);
told.poolOrder = await poolOwner.order.publishWorkerpoolorder(poolOrder);

// look
const apps = await buyer.orderbook.fetchAppOrderbook({ app: app.address });
told.apps = apps.orders.map(({ orderHash }) => orderHash);
const pools = await buyer.orderbook.fetchWorkerpoolOrderbook({
  workerpool: given.pool,
  category: 0,
});
told.pools = pools.orders.map(({ orderHash }) => orderHash);
const onSale = await buyer.orderbook.fetchWorkerpoolorder(told.poolOrder);
told.poolRemaining = onSale.remaining;

// ask for what nobody sells, and take it back
const terms = { app: app.address, appmaxprice: 2, requester: me, category: 0 };
const wish = await sign(buyer, 'Request', { ...terms, workerpoolmaxprice: 0, volume: 1, trust: 7 });
told.wish = await buyer.order.publishRequestorder(wish);
const wishes = await buyer.orderbook.fetchRequestOrderbook({ requester: me });
told.wishes = wishes.orders.map(({ orderHash }) => orderHash);
told.unwished = await buyer.order.unpublishRequestorder(told.wish);

// buy two tasks and watch them
const request = await sign(buyer, 'Request', {
  ...terms,
  workerpoolmaxprice: 60,
  volume: 2,
  trust: 1,
  params: { iexec_args: 'from the library' },
});
const before = await buyer.account.checkBalance(me);
const { dealid, volume } = await buyer.order.matchOrders({
  apporder: apps.orders[0].order,
  workerpoolorder: onSale.order,
  requestorder: request,
});
told.deal = dealid;
told.volume = volume.toString();
told.updates = [];
const watched = await buyer.deal.obsDeal(dealid);
await new Promise((complete, error) => {
  const next = ({ message, completedTasksCount }) =>
    told.updates.push(`${message} ${completedTasksCount}`);
  watched.subscribe({ next, error, complete });
});
const [one, other] = Object.values((await buyer.deal.show(dealid)).tasks);
const shown = await Promise.all([one, other].map((task) => buyer.task.show(task)));
told.statuses = shown.map(({ statusName }) => statusName);
const after = await buyer.account.checkBalance(me);
told.paid = before.stake.add(before.locked).sub(after.stake).sub(after.locked).toString();

// debug and download
const info = await until(
  () => buyer.task.fetchOffchainInfo(one),
  ({ task }) => task.status === 'COMPLETED',
);
told.replicates = info.replicates.map(({ status }) => status);
told.logs = await buyer.task.fetchLogs(one);
const result = await buyer.task.fetchResults(one);
told.archive = Buffer.from(await result.arrayBuffer()).toString('base64');

// what the market tells of it
const requestHash = await buyer.order.hashRequestorder(request);
const of = ({ deals }) => deals.map((each) => each.dealid);
told.deals = {
  requester: of(await buyer.deal.fetchRequesterDeals(me, { appAddress: app.address })),
  request: of(await buyer.deal.fetchDealsByRequestorder(requestHash)),
  app: of(await buyer.deal.fetchDealsByApporder(told.appOrder)),
};
told.appRemaining = (await buyer.orderbook.fetchApporder(told.appOrder)).remaining;

// take back
told.refused = await buyer.order
  .unpublishApporder(told.appOrder)
  .then(() => 'taken')
  .catch((fault) => fault.message);
told.unpublished = await poolOwner.order.unpublishWorkerpoolorder(told.poolOrder);
await seller.order.cancelApporder(appOrder);
const cancelled = await until(
  () => buyer.orderbook.fetchApporder(told.appOrder),
  ({ status }) => status !== 'open',
);
told.appStatus = cancelled.status;
console.log(JSON.stringify(told));
