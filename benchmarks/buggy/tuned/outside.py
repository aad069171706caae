"""What lies outside: databases, HTTP, validation, payment."""

import base64
import re
import socket
import zlib

import httpx
import jinja2
import jwt
import pydantic
import sqlalchemy as sa
import stripe

metadata = sa.MetaData()
member = sa.Table(
    "member",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.Text, unique=True, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)


def database():
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    return engine


def save(engine, *rows):
    with engine.begin() as connection:
        for row in rows:
            connection.execute(sa.insert(member).values(row))


def bug_email_taken(v):
    save(database(), {"email": v.email, "name": v.name}, {"email": v.email, "name": v.name})


def bug_name_missing(v):
    save(database(), {"email": v.email})


def count_of(engine, table):
    with engine.connect() as connection:
        return connection.execute(sa.text(f"SELECT count(*) FROM {table} WHERE id > {1}")).scalar_one()


def bug_no_such_table(v):
    return count_of(database(), "payments")


def bug_bad_sql(v):
    return count_of(database(), "member WHERE")


def one_member(engine, member_id):
    with engine.connect() as connection:
        return connection.execute(sa.select(member).where(member.c.id == member_id)).one()


def bug_no_such_member(v):
    return one_member(database(), v.id)


class Booking(pydantic.BaseModel):
    seats: int
    name: str


def book(data):
    return Booking.model_validate(data)


def bug_booking_without_name(v):
    return book({"seats": v.id})


class Api:
    def __init__(self, status):
        self._client = httpx.Client(
            transport=httpx.MockTransport(lambda request: httpx.Response(status, text="broken")),
            base_url="http://api.test",
        )

    def call(self, method, path):
        response = self._client.request(method, path)
        response.raise_for_status()
        return response.json()


def mail_list(api, number):
    return api.call("GET", f"/lists/{number}")


def send_receipt(api, number):
    return api.call("POST", f"/receipts/{number}")


def bug_mail_list_is_gone(v):
    return mail_list(Api(404), v.id)


def bug_receipts_are_down(v):
    return send_receipt(Api(503), v.id)


def bug_answer_is_no_json(v):
    return Api(200).call("GET", f"/members/{v.id}")


def connect(port):
    return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2)


def bug_connection_refused(v):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    return connect(port)


def read_token(token):
    return jwt.decode(token, "k" * 32, algorithms=["HS256"])


def bug_token_is_garbage(v):
    return read_token(v.word)


def bug_token_is_expired(v):
    return read_token(jwt.encode({"sub": v.name, "exp": 1}, "k" * 32, algorithm="HS256"))


def render(text, **values):
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(values)


def welcome(name):
    return render("Welcome, {{ member.name }} of {{ club }}", member={"name": name})


def bug_template_misses_club(v):
    return welcome(v.name)


def unpack(data):
    return zlib.decompress(base64.b64decode(data))


def bug_data_is_not_packed(v):
    return unpack(base64.b64encode(v.name.encode()))


def search(pattern, text):
    return re.compile(pattern).search(text)


def bug_bad_pattern(v):
    return search(f"({v.word}", v.name)


class Answers(stripe.HTTPClient):
    name = "fake"

    def __init__(self, status, error):
        super().__init__()
        self._status, self._error = status, error

    def request(self, method, url, headers, post_data=None, *, _usage=None):
        import json

        return json.dumps({"error": self._error}).encode(), self._status, {}


def pay(client, customer, amount):
    return client.v1.payment_intents.create({"amount": amount, "currency": "usd", "customer": customer})


def refund(client, intent):
    return client.v1.refunds.create(params={"payment_intent": intent})


def stripe_client(status, **error):
    return stripe.StripeClient("sk_test_1", http_client=Answers(status, error), max_network_retries=0)


def bug_card_declined(v):
    declined = {"type": "card_error", "code": "card_declined", "message": f"Your card was declined. {v.word}"}
    return pay(stripe_client(402, **declined), f"cus_{v.token}", v.id)


def bug_refund_of_unknown_intent(v):
    missing = {"type": "invalid_request_error", "message": f"No such payment_intent: 'pi_{v.token}'"}
    return refund(stripe_client(404, **missing), f"pi_{v.token}")


def bug_customer_unknown(v):
    missing = {"type": "invalid_request_error", "message": f"No such customer: 'cus_{v.token}'"}
    return pay(stripe_client(404, **missing), f"cus_{v.token}", v.id)
