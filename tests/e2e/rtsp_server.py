"""A real RTSP server, `python3 rtsp_server.py PORT`: run by the system's Python.

GStreamer's bindings belong to the distribution's Python and are in no virtual environment.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! "
    "video/x-raw,width=320,height=240,framerate=25/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! "
    "rtph264pay name=pay0 pt=96 )"
)

Gst.init(None)
if Gst.ElementFactory.find("x264enc") is None:
    sys.exit("there is no x264enc; install gstreamer1.0-plugins-ugly")
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(PIPELINE)
factory.set_shared(True)
server.get_mount_points().add_factory("/stream", factory)
if server.attach(None) == 0:
    sys.exit(f"port {sys.argv[1]} cannot be used")
sys.stdout.write("ready\n")
sys.stdout.flush()
GLib.MainLoop().run()
