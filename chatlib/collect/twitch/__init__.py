"""Chat from Twitch: VODs and clips by the web player's GraphQL, a running stream by IRC."""
