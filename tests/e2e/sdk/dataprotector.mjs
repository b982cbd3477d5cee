// Tries every method of npm's @iexec/dataprotector and @iexec/web3mail, unmodified, as far as each
// goes without a public subgraph. node dataprotector.mjs '{"host", "market", "sms", "results",
// "files", "seller", "buyer", "pool", "app", "dataset", "requesterSecret"}'; prints one JSON object:
// by method what came of it, or how its error begins and what caused it.
import { IExecDataProtectorCore } from '@iexec/dataprotector';
import { IExecWeb3mail } from '@iexec/web3mail';
import { utils } from 'iexec';

const given = JSON.parse(process.argv[2]);
const nowhere = 'http://127.0.0.1:9'; // where a subgraph would be
const urls = {
  iexecOptions: {
    iexecGatewayURL: given.market,
    compassURL: given.market,
    smsURL: given.sms,
    pocoSubgraphURL: nowhere,
  },
  ipfsNode: given.files,
  ipfsGateway: given.files,
};
const signer = (key) => utils.getSignerFromPrivateKey(given.host, key);
const protects = (key) => new IExecDataProtectorCore(signer(key), { ...urls, subgraphUrl: nowhere });
const [seller, buyer] = [given.seller, given.buyer].map(protects);
const mail = new IExecWeb3mail(signer(given.buyer), {
  ...urls,
  dataProtectorSubgraph: nowhere,
  dappAddressOrENS: given.app,
});
const told = {};
console.error = () => {}; // they print what they throw

const reasons = (fault) =>
  [fault, fault?.errorCause ?? fault?.cause, (fault?.errorCause ?? fault?.cause)?.cause]
    .filter(Boolean)
    .map((each) => String(each.message ?? each).split('\n')[0].slice(0, 160));
const tries = async (name, step, seen = () => true) => {
  try {
    const found = await step();
    told[name] = { ok: seen(found) };
    return found;
  } catch (fault) {
    told[name] = { fails: reasons(fault) };
    return undefined;
  }
};
const text = (result) => JSON.parse(Buffer.from(result).toString());
const user = await signer(given.buyer).getAddress();
const { dataset: protectedData, app } = given;
const bought = { app, workerpool: given.pool, workerpoolMaxPrice: given.most, encryptResult: true };

let uploaded = false;
await tries('protectData', () =>
  seller.protectData({
    data: { email: 'me@example.com' },
    onStatusUpdate: ({ title, isDone }) => {
      uploaded ||= title === 'UPLOAD_ENCRYPTED_FILE' && isDone;
    },
  }),
);
told.protectData.uploaded = uploaded;
const access = await tries(
  'grantAccess',
  () =>
    seller.grantAccess({
      protectedData,
      authorizedApp: app,
      authorizedUser: user,
      allowBulk: true,
    }),
  ({ apprestrict, requesterrestrict }) => [apprestrict, requesterrestrict],
);
const found = await tries(
  'getGrantedAccess',
  () => buyer.getGrantedAccess({ authorizedApp: app, authorizedUser: user, bulkOnly: true }),
  ({ grantedAccess }) => grantedAccess.map(({ dataset }) => dataset),
);
await tries(
  'processProtectedData',
  () =>
    buyer.processProtectedData({
      ...bought,
      protectedData,
      secrets: { 1: given.requesterSecret },
      path: 'result.json',
    }),
  ({ result }) => text(result),
);
const bulk = await tries(
  'prepareBulkRequest',
  () => buyer.prepareBulkRequest({ ...bought, bulkAccesses: found.grantedAccess }),
  ({ bulkRequest }) => bulkRequest.volume,
);
await tries(
  'processBulkRequest',
  () =>
    buyer.processBulkRequest({
      bulkRequest: bulk.bulkRequest,
      workerpool: given.pool,
      pemPrivateKey: bulk.pemPrivateKey,
      waitForResult: true,
      path: 'result.json',
    }),
  ({ tasks }) => tasks.map(({ result }) => text(result)),
);
const { bulkRequest } = bulk ?? {};
await tries(
  'inspectBulkRequest',
  () => buyer.inspectBulkRequest({ bulkRequest }),
  ({ bulkStatus }) => bulkStatus,
);
await tries('inspectBulkRequest detailed', () =>
  buyer.inspectBulkRequest({ bulkRequest, detailed: true }),
);
await tries('getProtectedData', () => buyer.getProtectedData({ protectedDataAddress: protectedData }));

const subject = { emailSubject: 'hello', emailContent: 'how are you?' };
await tries('sendEmail', () =>
  mail.sendEmail({ ...subject, protectedData, workerpoolAddressOrEns: given.pool }),
);
await tries('fetchMyContacts', () => mail.fetchMyContacts());
await tries('fetchUserContacts', () => mail.fetchUserContacts({ userAddress: user }));
const campaign = await tries(
  'prepareEmailCampaign',
  () =>
    mail.prepareEmailCampaign({
      ...subject,
      grantedAccesses: found.grantedAccess,
      workerpoolAddressOrEns: given.pool,
      workerpoolMaxPrice: given.most,
    }),
  ({ campaignRequest }) => campaignRequest.volume,
);
const sent = await tries(
  'sendEmailCampaign',
  () => mail.sendEmailCampaign({ ...campaign, workerpoolAddressOrEns: given.pool }),
  ({ tasks }) => tasks.length,
);
await tries(
  'waitForTaskCompletion',
  () => buyer.waitForTaskCompletion(sent.tasks[0]),
  ({ status }) => status,
);
await tries(
  'getResultFromCompletedTask',
  () =>
    buyer.getResultFromCompletedTask({ taskId: sent.tasks[0].taskId, path: 'result.json' }),
  ({ result }) => text(result),
);

await tries('revokeOneAccess', () => seller.revokeOneAccess(access), ({ txHash }) => txHash.length);
await seller.grantAccess({ protectedData, authorizedApp: app, authorizedUser: user });
await tries(
  'revokeAllAccess',
  () => seller.revokeAllAccess({ protectedData, authorizedApp: app }),
  (all) => all.length,
);
await tries(
  'transferOwnership',
  () => seller.transferOwnership({ protectedData, newOwner: user }),
  ({ to }) => to === user,
);
console.log(JSON.stringify(told));
