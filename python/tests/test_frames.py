import os
import threading
import unittest

import numpy as np

from entente.frames import CHUNK, Closed, Frames


class FramesTest(unittest.TestCase):
    def setUp(self):
        (a, b), (c, d) = os.pipe(), os.pipe()
        self.near, self.far = Frames(a, d), Frames(c, b)
        self.ends = [a, b, c, d]

    def tearDown(self):
        for end in self.ends:
            os.close(end)

    def test_a_head_and_the_chunks_behind_it_arrive_where_they_belong(self):
        sent = np.arange(CHUNK // 4 + 3, dtype=np.float32)  # more than a chunk
        got = np.zeros_like(sent)

        def send():
            self.near.send({"type": "write", "bytes": sent.nbytes})
            self.near.send_chunks(memoryview(sent).cast("B"))
            self.near.send({"type": "read"})

        thread = threading.Thread(target=send)
        thread.start()
        head = self.far.receive(lambda _: [memoryview(got).cast("B")])
        self.assertEqual(head, {"type": "write", "bytes": sent.nbytes})
        np.testing.assert_array_equal(got, sent)
        self.assertEqual(self.far.receive(), {"type": "read"})
        thread.join()

    def test_what_is_no_frame_is_refused_and_an_end_is_told_apart(self):
        os.write(self.ends[3], b"\xff" * 8)
        with self.assertRaises(ValueError):
            self.far.receive()
        os.close(self.ends[3])
        self.ends.remove(self.near._writer)
        with self.assertRaises(Closed):
            self.far.receive()


if __name__ == "__main__":
    unittest.main()
