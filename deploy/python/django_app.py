"""Django behind phantomgate, in one file: `waitress-serve django_app:application` in this folder."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from phantomgate import Refused
from phantomgate.wsgi import PhantomGate

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of no use here")
django.setup()


@csrf_exempt
def orders(request: HttpRequest) -> JsonResponse:
    caller, fields = request.META["phantomgate.caller"], request.headers
    if request.method == "POST":
        try:
            caller.require("orders:write")
        except Refused as no:
            answer = {"error": no.reason.error, "error_description": no.reason.description}
            return JsonResponse(answer, status=no.reason.status)
    return JsonResponse({"for": caller.subject, "x-user": fields["x-user"], "authorization": fields["authorization"]})


def users(request: HttpRequest) -> JsonResponse:
    return JsonResponse(["ann"], safe=False)


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    total = 0
    while piece := request.read(65536):
        total += len(piece)
    return JsonResponse({"bytes": total})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse((f"line {number}\n" for number in range(3)), content_type="text/plain")


urlpatterns = [path("orders", orders), path("admin/users", users), path("upload", upload), path("stream", stream)]
application = PhantomGate(get_wsgi_application(), "phantomgate.toml")
