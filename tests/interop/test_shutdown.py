"""How a server that is told to stop takes leave of its clients."""

from connection import ConnectionLost
from frames import Code
from story import Story


class ShutdownStory(Story):
    async def test_clients_are_asked_to_go_and_served_until_then(self):
        client = await self.client()
        channel = await client.join("room:1")
        self.server.terminate()
        going_away = await client.going_away
        self.assertEqual(going_away.code, Code.GOING_AWAY)
        self.assertGreater(going_away.within_ms, 0)
        await channel.push("say", b"still here")
        await channel.next()
        await client.join("room:2")
        with self.assertRaises(ConnectionLost):
            await self.client()
        self.assertEqual(await client.goodbye(), Code.OK)
        self.assertEqual(await self.server.ended(), 0)


class ShortDrainStory(Story):
    SETTINGS = ["drain=300ms"]

    async def test_whoever_stays_is_cut_off_in_the_end(self):
        client = await self.client()
        self.server.terminate()
        self.assertLessEqual((await client.going_away).within_ms, 300)
        self.assertEqual((await client.connection.lost).code, Code.GOING_AWAY)
        self.assertFalse(client.farewell.done())
        self.assertEqual(await self.server.ended(), 0)
