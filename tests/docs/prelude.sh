# What a reader's shell knows before the first line of a page: how to have what earlier pages led to.

# The value at a path in the JSON on standard input: `pick data 0 id`.
pick() { _pick "$@"; }
_pick() { # pages have a pick of their own
  python3 -c 'import functools,json,sys
print(functools.reduce(lambda d, k: d[int(k) if isinstance(d, list) else k], sys.argv[1:], json.load(sys.stdin)))' "$@"
}

# The value at a path in what the page's last command printed: `answer data 0 id`.
answer() { _pick "$@" < "$READER/answer.json"; }

ready() { _pick "$@" < .paysaga/ready.json; }

# An authorised call: `call POST /v1/plans '{…}'`. A key is made for each.
call() { _call "$@"; }
_call() {
  curl -sS -X "$1" "$API$2" -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: reader-$RANDOM-$RANDOM" \
    -H 'Content-Type: application/json' ${3:+-d "$3"}
}

# Become a tenant of one's own, logged in: `tenant`, or `tenant http://127.0.0.1:9000/webhooks`.
# Its checkouts stay open for a day, however long the page takes.
tenant() {
  local known
  known=$(curl -sS "$API/v1/tenants/register" -H "X-Admin-Key: $ADMIN_KEY" -H 'Content-Type: application/json' \
    -d "{\"name\":\"Reader\",\"contactEmail\":\"reader@example.com\",\"sandbox\":true${1:+,\"webhookUrl\":\"$1\"}}")
  export TENANT_ID APP_NAME APP_SECRET WEBHOOK_SECRET TOKEN
  TENANT_ID=$(echo "$known" | _pick id)
  APP_NAME=$(echo "$known" | _pick appName)
  APP_SECRET=$(echo "$known" | _pick appSecret)
  if [ $# -gt 0 ]; then WEBHOOK_SECRET=$(echo "$known" | _pick webhookSecret); fi
  TOKEN=$(login "$APP_SECRET")
  _call PATCH /v1/tenants/me/settings '{"checkoutExpiresInSeconds":86400}' > settings.json
}

# The token of a secret of this tenant.
login() {
  curl -sS "$API/v1/tenants/login" -H 'Content-Type: application/json' \
    -d "{\"appName\":\"$APP_NAME\",\"appSecret\":\"$1\"}" | _pick accessToken
}

# The token of a colleague: `APPROVER=$(colleague approver)`.
colleague() {
  login "$(_call POST /v1/tenants/me/credentials "{\"name\":\"the $1\",\"role\":\"$1\"}" | _pick appSecret)"
}

# Repeat a command until it succeeds, for at most 30 s.
eventually() {
  local end=$((SECONDS + 30))
  until "$@" > eventually.out 2>&1; do
    if [ $SECONDS -ge $end ]; then echo "in vain: $*" >&2; cat eventually.out >&2; return 1; fi
    sleep 0.2
  done
}

# Whether something at a path of the API has a value by now: `eventually at /v1/payments/$P status SUCCEEDED`.
at() {
  local path=$1 value=${*: -1}
  [ "$(_call GET "$path" | _pick "${@:2:$#-2}")" = "$value" ]
}

# The id of a payment that waits for its payer: `payment '"orderId":"order-1"'` says more of it.
payment() {
  local known
  known=$(_call POST /v1/payments "{\"userId\":\"user-123\",\"amount\":1990000,\"currency\":\"HUF\",\"expiresInSeconds\":86400,
    \"entitlements\":[{\"feature\":\"pro\",\"durationSeconds\":31536000}]${1:+,$1}}" | _pick id)
  eventually at "/v1/payments/$known" status PROVIDER_PENDING
  echo "$known"
}

# Be the payer: `pay $PAYMENT`, or with another card.
pay() {
  curl -sS -o paid.html "$(_call GET "/v1/payments/$1" | _pick checkoutUrl)" \
    -d "cardNumber=${2:-4242424242424242}" -d action=pay
}

# The id of a payment that was paid.
paid() {
  local known
  known=$(payment "$@")
  pay "$known"
  eventually at "/v1/payments/$known" status SUCCEEDED
  echo "$known"
}

# The id of a price of a new plan: `price '"amount":499000,"currency":"HUF","interval":"month"'`.
price() {
  _call POST /v1/plans "{\"name\":\"Pro\",\"features\":[{\"feature\":\"reports\",\"limit\":100}],
    \"prices\":[{${1:-\"amount\":499000,\"currency\":\"HUF\",\"interval\":\"month\"}}]}" | _pick prices 0 id
}

# Subscribe a user to a price, and pay: `subscribe anna $PRICE`.
subscribe() {
  curl -sS -o paid.html -d cardNumber=4242424242424242 -d action=pay "$(_call POST /v1/billing/session \
    "{\"mode\":\"checkout\",\"userId\":\"$1\",\"priceId\":\"$2\",\"successUrl\":\"https://shop.example.com/\",
      \"cancelUrl\":\"https://shop.example.com/\"}" | _pick sessionUrl)"
  eventually at "/v1/billing/status?userId=$1" status active
  _call GET "/v1/subscriptions?userId=$1" | _pick data 0 id
}

# Have something go wrong for this tenant at the payment company: `fault checkout.pay after wrongAmount`.
fault() {
  curl -sS "$CONTROL/_control/faults" -H 'Content-Type: application/json' -d "{\"operation\":\"$1\",\"when\":\"$2\",
    \"fault\":\"$3\",\"account\":\"$(_call GET /v1/tenants/me/providers | _pick data 0 accountId)\"}"
}

# The id of a payment under review: other money came than was ordered.
reviewed() {
  local known
  fault checkout.pay after wrongAmount > fault.json
  known=$(payment)
  pay "$known"
  eventually at "/v1/payments/$known" status REVIEW
  echo "$known"
}

# The id of a dispute over a payment, once it is known.
disputed() {
  curl -sS -o dispute.json "$CONTROL/_control/disputes" -d "{\"reference\":\"$1\",\"reason\":\"fraudulent\"}"
  eventually at "/v1/disputes?paymentId=$1" data 0 paymentId "$1"
  _call GET "/v1/disputes?paymentId=$1" | _pick data 0 id
}

# Have an account at a company that the sandbox plays: `account stripe`, `account dodo`.
account() {
  local body known keys more=
  [ "$1" = stripe ] || more=',"productId":"pdt_any","environment":"test_mode"'
  body="{\"credentials\":{\"apiKey\":\"sk_test_not_known_yet\",\"webhookSecret\":\"whsec_bm90LWtub3duLXlldC1ub3Qta25vd24t\"$more},
    \"apiBase\":\"$(ready sandboxUrl)/$1\"}"
  known=$(_call PUT "/v1/tenants/me/providers/$1" "$body" | _pick accountId)
  keys=$(curl -sS "$CONTROL/_control/accounts" -d "{\"account\":\"$known\"}")
  body=${body/sk_test_not_known_yet/$(echo "$keys" | _pick apiKey)}
  body=${body/whsec_bm90LWtub3duLXlldC1ub3Qta25vd24t/$(echo "$keys" | _pick webhookSecret)}
  _call PUT "/v1/tenants/me/providers/$1" "$body" > account.json
}
