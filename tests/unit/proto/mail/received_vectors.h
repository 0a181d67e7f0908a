#pragma once
/* Received fields as programs of the world write them (hosts made up), and what is read of them. */

static const struct {
	const char *name, *in, *out;
} received_vectors[] = {
	{"Postfix, submission",
		"from laptop.lan (dsl-9.isp.example [203.0.113.9])\r\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
		"\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest "
		"SHA256)\r\n"
		"\t(No client certificate requested)\r\n"
		"\t(Authenticated sender: alice@example.org)\r\n"
		"\tby smtp.example.org (Postfix) with ESMTPSA id 4TZkXq1Yz6z9sT\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 06:30:00 +0000 (UTC)",
		"helo=laptop.lan reverse=dsl-9.isp.example ip=203.0.113.9 "
		"by=smtp.example.org software=Postfix kind=smtp esmtp auth tls "
		"version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 id=4TZkXq1Yz6z9sT "
		"for=bob@example.net login=alice@example.org at=2026-11-23T06:30:00Z+0"},
	{"Postfix, no reverse name",
		"from mail.example.org (unknown [192.0.2.7])\r\n"
		"\tby mx.example.net (Postfix) with ESMTP id 0A1B2C3D4E\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 06:30:00 +0100 (CET)",
		"helo=mail.example.org no-reverse ip=192.0.2.7 by=mx.example.net "
		"software=Postfix kind=smtp esmtp no-tls id=0A1B2C3D4E for=bob@example.net "
		"at=2026-11-23T05:30:00Z+60"},
	{"Postfix, pickup",
		"by host.example.org (Postfix, from userid 1000)\r\n"
		"\tid 3F2A81C0; Mon, 23 Nov 2026 06:30:00 +0000 (UTC)",
		"by=host.example.org software=Postfix kind=local id=3F2A81C0 login=uid 1000 "
		"at=2026-11-23T06:30:00Z+0 !no-from"},
	{"Postfix, IPv6",
		"from a.example (a.example [IPv6:2001:db8:0:0::25])\r\n"
		"\tby b.example (Postfix) with ESMTPS id 5AB; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=a.example reverse=a.example ip=2001:db8::25 by=b.example "
		"software=Postfix kind=smtp esmtp tls id=5AB at=2026-11-23T06:30:00Z+0"},
	{"Postfix behind amavis",
		"from mx.example.net ([127.0.0.1])\r\n"
		"\tby localhost (mx.example.net [127.0.0.1]) (amavisd-new, port 10024)\r\n"
		"\twith ESMTP id Xa1bC2dE3fG4 for <bob@example.net>;\r\n"
		"\tMon, 23 Nov 2026 06:30:02 +0000 (UTC)",
		"helo=mx.example.net ip=127.0.0.1 by=localhost by-ip=127.0.0.1 "
		"software=amavisd-new, port 10024 kind=smtp esmtp no-tls id=Xa1bC2dE3fG4 "
		"for=bob@example.net at=2026-11-23T06:30:02Z+0"},
	{"Exim 4.96",
		"from mail.example.org ([192.0.2.7]:43210)\r\n"
		"\tby mx.example.net with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
		"\t(Exim 4.96)\r\n"
		"\t(envelope-from <alice@example.org>)\r\n"
		"\tid 1r5abc-0001AB-2c\r\n"
		"\tfor bob@example.net;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org ip=192.0.2.7 by=mx.example.net software=Exim 4.96 "
		"kind=smtp esmtp tls version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 "
		"id=1r5abc-0001AB-2c for=bob@example.net sender=alice@example.org "
		"at=2026-11-23T06:30:00Z+0"},
	{"Exim, other helo",
		"from dsl-9.isp.example ([203.0.113.9] helo=[192.168.1.5])\r\n"
		"\tby smtp.example.org with esmtpsa "
		"(TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256)\r\n"
		"\t(Exim 4.92)\r\n"
		"\t(envelope-from <alice@example.org>)\r\n"
		"\tid 1r5abc-0001AB-2c; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=[192.168.1.5] reverse=dsl-9.isp.example ip=203.0.113.9 "
		"by=smtp.example.org software=Exim 4.92 kind=smtp esmtp auth tls "
		"version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 "
		"id=1r5abc-0001AB-2c sender=alice@example.org at=2026-11-23T06:30:00Z+0"},
	{"Exim, address without a name",
		"from [203.0.113.9] (helo=mail.example.org)\r\n"
		"\tby mx.example.net with esmtp (Exim 4.84)\r\n"
		"\tid 1r5abc-0001AB-2c; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org ip=203.0.113.9 by=mx.example.net software=Exim 4.84 "
		"kind=smtp esmtp no-tls id=1r5abc-0001AB-2c at=2026-11-23T06:30:00Z+0"},
	{"Exim, local",
		"from alice by host.example.org with local (Exim 4.94.2)\r\n"
		"\t(envelope-from <alice@example.org>)\r\n"
		"\tid 1r5abc-0001AB-2c\r\n"
		"\tfor bob@example.net; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=alice by=host.example.org software=Exim 4.94.2 kind=local "
		"id=1r5abc-0001AB-2c for=bob@example.net sender=alice@example.org "
		"login=alice at=2026-11-23T06:30:00Z+0"},
	{"Sendmail 8.17",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		"\tby mx.example.net (8.17.1/8.17.1) with ESMTPS id 3AN6U0aB012345\r\n"
		"\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 06:30:00 GMT",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.example.net software=8.17.1/8.17.1 kind=smtp esmtp tls "
		"version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 id=3AN6U0aB012345 "
		"for=bob@example.net at=2026-11-23T06:30:00Z+0 !date-obsolete"},
	{"Sendmail, may be forged",
		"from friend.example (IDENT:joe@dsl-9.isp.example [203.0.113.9] (may be "
		"forged))\r\n"
		"\tby mx.example.net (8.11.6/8.11.6) with SMTP id fAN6U0q01234\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 01:30:00 -0500 (EST)",
		"helo=friend.example reverse=dsl-9.isp.example doubtful ip=203.0.113.9 "
		"by=mx.example.net software=8.11.6/8.11.6 kind=smtp no-tls id=fAN6U0q01234 "
		"for=bob@example.net login=joe at=2026-11-23T06:30:00Z-300"},
	{"Sendmail, logged in",
		"from [192.168.1.5] (dsl-9.isp.example [203.0.113.9])\r\n"
		"\t(authenticated bits=0)\r\n"
		"\tby smtp.example.org (8.15.2/8.15.2) with ESMTPSA id 3AN6U0aB012345;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 GMT",
		"helo=[192.168.1.5] reverse=dsl-9.isp.example ip=203.0.113.9 "
		"by=smtp.example.org software=8.15.2/8.15.2 kind=smtp esmtp auth tls "
		"id=3AN6U0aB012345 at=2026-11-23T06:30:00Z+0 !date-obsolete"},
	{"Sendmail, from a program",
		"(from alice@localhost)\r\n"
		"\tby host.example.org (8.15.2/8.15.2/Submit) id 3AN6U0aB012345;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 GMT",
		"by=host.example.org software=8.15.2/8.15.2/Submit kind=local "
		"id=3AN6U0aB012345 login=alice@localhost at=2026-11-23T06:30:00Z+0 !no-from "
		"!date-obsolete"},
	{"Exchange Online",
		"from AM0PR01MB1234.eurprd01.prod.outlook.com\r\n"
		" (2603:10a6:208:1::12) by DB9PR01MB5678.eurprd01.prod.outlook.com\r\n"
		" (2603:10a6:10:2::34) with Microsoft SMTP Server (version=TLS1_2,\r\n"
		" cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.7025.13; Mon, 23 "
		"Nov\r\n"
		" 2026 06:30:00 +0000",
		"helo=AM0PR01MB1234.eurprd01.prod.outlook.com ip=2603:10a6:208:1::12 "
		"by=DB9PR01MB5678.eurprd01.prod.outlook.com by-ip=2603:10a6:10:2::34 "
		"kind=smtp tls version=TLSv1.2 cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 "
		"id=15.20.7025.13 at=2026-11-23T06:30:00Z+0"},
	{"Exchange Online, MAPI",
		"from AM0PR01MB1234.eurprd01.prod.outlook.com\r\n"
		" ([fe80::a1b2:c3d4:e5f6:7890]) by "
		"AM0PR01MB1234.eurprd01.prod.outlook.com\r\n"
		" ([fe80::a1b2:c3d4:e5f6:7890%4]) with mapi id 15.20.7025.13; Mon, 23 Nov "
		"2026\r\n"
		" 06:30:00 +0000",
		"helo=AM0PR01MB1234.eurprd01.prod.outlook.com ip=fe80::a1b2:c3d4:e5f6:7890 "
		"by=AM0PR01MB1234.eurprd01.prod.outlook.com by-ip=fe80::a1b2:c3d4:e5f6:7890 "
		"kind=mapi id=15.20.7025.13 at=2026-11-23T06:30:00Z+0"},
	{"Exchange, frontend",
		"from EX1.corp.example (10.0.0.1) by EX2.corp.example (10.0.0.2)\r\n"
		" with Microsoft SMTP Server (TLS) id 15.1.2507.39 via Frontend Transport; "
		"Mon,\r\n"
		" 23 Nov 2026 07:30:00 +0100",
		"helo=EX1.corp.example ip=10.0.0.1 by=EX2.corp.example by-ip=10.0.0.2 "
		"via=Frontend Transport kind=smtp tls id=15.1.2507.39 "
		"at=2026-11-23T06:30:00Z+60"},
	{"Exchange, HTTPS",
		"from EX1.corp.example ([10.0.0.1]) by EX1.corp.example ([10.0.0.1])\r\n"
		" with HTTPS; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=EX1.corp.example ip=10.0.0.1 by=EX1.corp.example by-ip=10.0.0.1 "
		"kind=http tls at=2026-11-23T06:30:00Z+0"},
	{"Windows SMTP service",
		"from mail pickup service by web.example.org with Microsoft SMTPSVC;\r\n"
		"\t Mon, 23 Nov 2026 06:30:00 +0000",
		"by=web.example.org kind=smtp esmtp at=2026-11-23T06:30:00Z+0"},
	{"Windows SMTP service, TLS",
		"from app.example.org ([192.0.2.8]) by web.example.org over TLS secured "
		"channel with Microsoft SMTPSVC(10.0.17763.1);\r\n"
		"\t Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=app.example.org ip=192.0.2.8 by=web.example.org software=10.0.17763.1 "
		"kind=smtp esmtp tls at=2026-11-23T06:30:00Z+0"},
	{"Gmail, in",
		"from mail.example.org (mail.example.org. [192.0.2.7])\r\n"
		"        by mx.google.example with ESMTPS id "
		"a1-20020a05600c.123.2026.11.22.22.30.00\r\n"
		"        for <bob@gmail.example>\r\n"
		"        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\r\n"
		"        Sun, 22 Nov 2026 22:30:00 -0800 (PST)",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.google.example kind=smtp esmtp tls version=TLSv1.3 "
		"cipher=TLS_AES_256_GCM_SHA384 bits=256 "
		"id=a1-20020a05600c.123.2026.11.22.22.30.00 for=bob@gmail.example "
		"at=2026-11-23T06:30:00Z-480"},
	{"Gmail, within",
		"by 2002:a05:6402:1234:b0:abc:1:2 with SMTP id q12csp1234567edv;\r\n"
		"        Sun, 22 Nov 2026 22:30:00 -0800 (PST)",
		"by=2002:a05:6402:1234:b0:abc:1:2 by-ip=2002:a05:6402:1234:b0:abc:1:2 "
		"kind=smtp no-tls id=q12csp1234567edv at=2026-11-23T06:30:00Z-480 !no-from"},
	{"Gmail, submission",
		"from laptop ([203.0.113.9])\r\n"
		"        by smtp.gmail.example with ESMTPSA id "
		"b2-20020a05600c.1.2026.11.22.22.29.59\r\n"
		"        for <bob@example.net>\r\n"
		"        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);\r\n"
		"        Sun, 22 Nov 2026 22:29:59 -0800 (PST)",
		"helo=laptop ip=203.0.113.9 by=smtp.gmail.example kind=smtp esmtp auth tls "
		"version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 bits=128 "
		"id=b2-20020a05600c.1.2026.11.22.22.29.59 for=bob@example.net "
		"at=2026-11-23T06:29:59Z-480"},
	{"Gmail, SMTPS",
		"from mail-sor-f41.google.example (mail-sor-f41.google.example. "
		"[192.0.2.41])\r\n"
		"        by mx.google.example with SMTPS id c3sor1.2\r\n"
		"        for <bob@gmail.example>\r\n"
		"        (Google Transport Security);\r\n"
		"        Sun, 22 Nov 2026 22:30:00 -0800 (PST)",
		"helo=mail-sor-f41.google.example reverse=mail-sor-f41.google.example "
		"ip=192.0.2.41 by=mx.google.example kind=smtp tls id=c3sor1.2 "
		"for=bob@gmail.example at=2026-11-23T06:30:00Z-480"},
	{"Gmail, API",
		"from 123456789 named unknown by gmailapi.google.example with HTTPREST;\r\n"
		" Sun, 22 Nov 2026 22:29:58 -0800",
		"by=gmailapi.google.example kind=http tls at=2026-11-23T06:29:58Z-480"},
	{"qmail",
		"from unknown (HELO mail.example.org) (192.0.2.7)\r\n"
		"  by mx.example.net with SMTP; 23 Nov 2026 06:30:00 -0000",
		"helo=mail.example.org no-reverse ip=192.0.2.7 by=mx.example.net kind=smtp "
		"no-tls at=2026-11-23T06:30:00Z+0"},
	{"qmail, network", "(qmail 12345 invoked from network); 23 Nov 2026 06:30:00 -0000",
		"software=qmail kind=local at=2026-11-23T06:30:00Z+0 !no-from !no-by"},
	{"qmail, by uid", "(qmail 12346 invoked by uid 1000); 23 Nov 2026 06:30:00 -0000",
		"software=qmail kind=local login=uid 1000 at=2026-11-23T06:30:00Z+0 !no-from "
		"!no-by"},
	{"netqmail with AUTH",
		"from dsl-9.isp.example (HELO laptop) (alice@example.org@203.0.113.9)\r\n"
		"  by smtp.example.org with ESMTPA; 23 Nov 2026 06:30:00 -0000",
		"helo=laptop reverse=dsl-9.isp.example ip=203.0.113.9 by=smtp.example.org "
		"kind=smtp esmtp auth no-tls login=alice@example.org "
		"at=2026-11-23T06:30:00Z+0"},
	{"qpsmtpd",
		"from dsl-9.isp.example (HELO laptop) (203.0.113.9)\r\n"
		"  (smtp-auth username alice, mechanism plain)\r\n"
		"  by smtp.example.org (qpsmtpd/0.96) with ESMTPSA; Mon, 23 Nov 2026 "
		"06:30:00 +0000",
		"helo=laptop reverse=dsl-9.isp.example ip=203.0.113.9 by=smtp.example.org "
		"software=qpsmtpd/0.96 kind=smtp esmtp auth tls login=alice "
		"at=2026-11-23T06:30:00Z+0"},
	{"Stalwart",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		"\t(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384)\r\n"
		"\tby mx.example.net (Stalwart SMTP) with ESMTPS id 2A5F3C1B;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.example.net software=Stalwart SMTP kind=smtp esmtp tls "
		"version=TLSv1.3 cipher=TLS13_AES_256_GCM_SHA384 id=2A5F3C1B "
		"at=2026-11-23T06:30:00Z+0"},
	{"mox",
		"from mail.example.org ([192.0.2.7]) by mx.example.net\r\n"
		"\t([192.0.2.9]) via tcp with ESMTPS id 8YbXzqkWbE1K2m3n4o5p6q\r\n"
		"\t(TLS1.3 TLS_AES_128_GCM_SHA256) for <bob@example.net>;\r\n"
		"\t23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org ip=192.0.2.7 by=mx.example.net by-ip=192.0.2.9 "
		"via=tcp kind=smtp esmtp tls version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 "
		"id=8YbXzqkWbE1K2m3n4o5p6q for=bob@example.net at=2026-11-23T06:30:00Z+0"},
	{"Dovecot LMTP",
		"from mx.example.net ([192.0.2.9])\r\n"
		"\tby imap.example.net with LMTP\r\n"
		"\tid KAf1Ag/JYmUqDAAAPYt2vA\r\n"
		"\t(envelope-from <alice@example.org>)\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 06:30:03 +0000",
		"helo=mx.example.net ip=192.0.2.9 by=imap.example.net kind=lmtp no-tls "
		"id=KAf1Ag/JYmUqDAAAPYt2vA for=bob@example.net sender=alice@example.org "
		"at=2026-11-23T06:30:03Z+0"},
	{"Dovecot LMTP, unix",
		"from mx.example.net\r\n"
		"\tby mx.example.net with LMTP\r\n"
		"\tid KAf1Ag/JYmUqDAAAPYt2vA:P1\r\n"
		"\t(envelope-from <alice@example.org>); Mon, 23 Nov 2026 06:30:03 +0000",
		"helo=mx.example.net by=mx.example.net kind=lmtp no-tls "
		"id=KAf1Ag/JYmUqDAAAPYt2vA:P1 sender=alice@example.org "
		"at=2026-11-23T06:30:03Z+0"},
	{"Cyrus",
		"from mx.example.net ([unix socket])\r\n"
		"\t by mx.example.net (Cyrus 3.6.1-Debian) with LMTPA;\r\n"
		"\t Mon, 23 Nov 2026 06:30:03 +0000",
		"helo=mx.example.net by=mx.example.net software=Cyrus 3.6.1-Debian kind=lmtp "
		"auth no-tls at=2026-11-23T06:30:03Z+0"},
	{"OpenSMTPD",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		"\tby mx.example.net (OpenSMTPD) with ESMTPS id 9f8e7d6c "
		"(TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)\r\n"
		"\tfor <bob@example.net>;\r\n"
		"\tMon, 23 Nov 2026 07:30:00 +0100 (CET)",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.example.net software=OpenSMTPD kind=smtp esmtp tls version=TLSv1.3 "
		"cipher=TLS_AES_256_GCM_SHA384 bits=256 id=9f8e7d6c for=bob@example.net "
		"at=2026-11-23T06:30:00Z+60"},
	{"OpenSMTPD, logged in",
		"from laptop (dsl-9.isp.example [203.0.113.9])\r\n"
		"\tby smtp.example.org (OpenSMTPD) with ESMTPSA id 9f8e7d6c "
		"(TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO) auth=yes user=alice;\r\n"
		"\tMon, 23 Nov 2026 07:30:00 +0100 (CET)",
		"helo=laptop reverse=dsl-9.isp.example ip=203.0.113.9 by=smtp.example.org "
		"software=OpenSMTPD kind=smtp esmtp auth tls version=TLSv1.3 "
		"cipher=TLS_AES_256_GCM_SHA384 bits=256 id=9f8e7d6c login=alice "
		"at=2026-11-23T06:30:00Z+60"},
	{"Courier",
		"from laptop (dsl-9.isp.example [::ffff:203.0.113.9])\r\n"
		"  (AUTH: LOGIN alice@example.org, TLS: "
		"TLSv1.3,256bits,TLS_AES_256_GCM_SHA384)\r\n"
		"  by smtp.example.org with ESMTPSA; Mon, 23 Nov 2026 06:30:00 +0000\r\n"
		"  id 00000000001A2B3C.000000006562A0B8.00001234",
		"helo=laptop reverse=dsl-9.isp.example ip=203.0.113.9 by=smtp.example.org "
		"kind=smtp esmtp auth tls version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 "
		"bits=256 login=alice@example.org at=2026-11-23T06:30:00Z+0 !date-obsolete"},
	{"maddy",
		"from mail.example.org (mail.example.org [192.0.2.7]) by mx.example.net "
		"(envelope-sender <alice@example.org>) with ESMTPS id 1a2b3c4d; Mon, 23 Nov "
		"2026 06:30:00 +0000",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.example.net kind=smtp esmtp tls id=1a2b3c4d sender=alice@example.org "
		"at=2026-11-23T06:30:00Z+0"},
	{"Haraka",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		"\tby mx.example.net (Haraka/3.0.2) with ESMTPS id "
		"0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0.1\r\n"
		"\tenvelope-from <alice@example.org>\r\n"
		"\ttls TLS_AES_256_GCM_SHA384;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.example.net software=Haraka/3.0.2 kind=smtp esmtp tls "
		"cipher=TLS_AES_256_GCM_SHA384 id=0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0.1 "
		"sender=alice@example.org at=2026-11-23T06:30:00Z+0"},
	{"CommuniGate Pro",
		"from [203.0.113.9] (account alice@example.org [203.0.113.9] verified)\r\n"
		"  by mail.example.org (CommuniGate Pro SMTP 6.3.3)\r\n"
		"  with ESMTPSA id 12345678 for bob@example.net; Mon, 23 Nov 2026 06:30:00 "
		"+0000",
		"helo=[203.0.113.9] ip=203.0.113.9 by=mail.example.org software=CommuniGate "
		"Pro SMTP 6.3.3 kind=smtp esmtp auth tls id=12345678 for=bob@example.net "
		"login=alice@example.org at=2026-11-23T06:30:00Z+0"},
	{"IronPort",
		"from unknown (HELO mail.example.org) ([192.0.2.7])\r\n"
		"  by esa1.example.net with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; 23 Nov "
		"2026 06:30:00 +0000",
		"helo=mail.example.org no-reverse ip=192.0.2.7 by=esa1.example.net kind=smtp "
		"esmtp tls cipher=ECDHE-RSA-AES256-GCM-SHA384 at=2026-11-23T06:30:00Z+0"},
	{"Amazon SES, in",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		" by inbound-smtp.eu-west-1.amazonaws.example with SMTP id "
		"abcdef0123456789\r\n"
		" for bob@example.net;\r\n"
		" Mon, 23 Nov 2026 06:30:00 +0000 (UTC)",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=inbound-smtp.eu-west-1.amazonaws.example kind=smtp no-tls "
		"id=abcdef0123456789 for=bob@example.net at=2026-11-23T06:30:00Z+0"},
	{"Yahoo",
		"from 192.0.2.7 (EHLO mail.example.org)\r\n"
		" by 10.197.36.72 with SMTPs\r\n"
		" (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256);\r\n"
		" Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org ip=192.0.2.7 by=10.197.36.72 by-ip=10.197.36.72 "
		"kind=smtp tls version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 "
		"at=2026-11-23T06:30:00Z+0"},
	{"Yahoo, within",
		"by hermes--production-ir2-1 (Yahoo Inc. Hermes SMTP Server) with ESMTPA ID "
		"0123456789abcdef;\r\n"
		"          Mon, 23 Nov 2026 06:29:58 +0000 (UTC)",
		"by=hermes--production-ir2-1 software=Yahoo Inc. Hermes SMTP Server "
		"kind=smtp esmtp auth no-tls id=0123456789abcdef at=2026-11-23T06:29:58Z+0 "
		"!no-from"},
	{"Yandex, TLS behind the date",
		"from laptop (dsl-9.isp.example [203.0.113.9])\r\n"
		"\tby smtp1.yandex.example (smtp/Yandex) with ESMTPSA id AbC1;\r\n"
		"\tMon, 23 Nov 2026 09:30:00 +0300\r\n"
		"\t(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits))\r\n"
		"\t(Client certificate not present)",
		"helo=laptop reverse=dsl-9.isp.example ip=203.0.113.9 "
		"by=smtp1.yandex.example software=smtp/Yandex kind=smtp esmtp auth tls "
		"version=TLSv1.2 cipher=ECDHE-RSA-AES128-GCM-SHA256 bits=128 id=AbC1 "
		"at=2026-11-23T06:30:00Z+180"},
	{"SendGrid, date of Go",
		"by recvd-6d8f-abc with SMTP id recvd-6d8f-abc-1-656-3 2026-11-23 "
		"06:30:00.123456789 +0000 UTC m=+1234.5",
		"by=recvd-6d8f-abc kind=smtp no-tls id=recvd-6d8f-abc-1-656-3 "
		"at=2026-11-23T06:30:00Z+0 !no-from !no-semicolon !date-obsolete"},
	{"SendGrid, semicolon and date of Go",
		"from MTA (unknown)\r\n"
		"\tby geopod-ismtpd-1 (SG) with ESMTP id ABCDEF\r\n"
		"\tfor <bob@example.net>; 2026-11-23 06:30:00.123 +0000 UTC",
		"helo=MTA no-reverse by=geopod-ismtpd-1 software=SG kind=smtp esmtp no-tls "
		"id=ABCDEF for=bob@example.net at=2026-11-23T06:30:00Z+0 !date-obsolete"},
	{"GMX",
		"from laptop ([203.0.113.9]) by mail.gmx.example (mrgmx105\r\n"
		" [192.0.2.15]) with ESMTPSA (Nemesis) id 1MTzf6-1rG0000000-00R1Bc for\r\n"
		" <bob@example.net>; Mon, 23 Nov 2026 07:30:00 +0100",
		"helo=laptop ip=203.0.113.9 by=mail.gmx.example by-ip=192.0.2.15 "
		"software=Nemesis kind=smtp esmtp auth tls id=1MTzf6-1rG0000000-00R1Bc "
		"for=bob@example.net at=2026-11-23T06:30:00Z+60"},
	{"web.de, web mail",
		"from [203.0.113.9] by 3c-app-webde-bs1.server.example\r\n"
		" (via HTTP); Mon, 23 Nov 2026 07:30:00 +0100",
		"helo=[203.0.113.9] ip=203.0.113.9 by=3c-app-webde-bs1.server.example "
		"kind=http at=2026-11-23T06:30:00Z+60"},
	{"Mimecast",
		"from mail.example.org (mail.example.org [192.0.2.7]) (Using TLS) by\r\n"
		" relay.mimecast.example with ESMTP id uk-mta-12-AbCdEf-1; Mon, 23 Nov "
		"2026\r\n"
		" 06:30:00 +0000",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=relay.mimecast.example kind=smtp esmtp tls id=uk-mta-12-AbCdEf-1 "
		"at=2026-11-23T06:30:00Z+0"},
	{"Proofpoint",
		"from pps.filterd (m0123456.ppops.example [127.0.0.1])\r\n"
		"\tby mx0a-00123456.pphosted.example (8.17.1.19/8.17.1.19) with ESMTP id "
		"3AN6U0aB012345\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 06:30:00 GMT",
		"helo=pps.filterd reverse=m0123456.ppops.example ip=127.0.0.1 "
		"by=mx0a-00123456.pphosted.example software=8.17.1.19/8.17.1.19 kind=smtp "
		"esmtp no-tls id=3AN6U0aB012345 for=bob@example.net "
		"at=2026-11-23T06:30:00Z+0 !date-obsolete"},
	{"Proofpoint, PPS",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		"\tby mx0a-00123456.pphosted.example (PPS) with ESMTPS id 3uxyz-1\r\n"
		"\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 "
		"verify=NOT)\r\n"
		"\tfor <bob@example.net>; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx0a-00123456.pphosted.example software=PPS kind=smtp esmtp tls "
		"version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 id=3uxyz-1 "
		"for=bob@example.net at=2026-11-23T06:30:00Z+0"},
	{"Apache James",
		"from 203.0.113.9 (EHLO laptop) ([203.0.113.9])\r\n"
		"          by james.example.org (JAMES SMTP Server ) with ESMTPSA ID "
		"12345\r\n"
		"          for <bob@example.net>;\r\n"
		"          Mon, 23 Nov 2026 06:30:00 +0000 (UTC)",
		"helo=laptop ip=203.0.113.9 by=james.example.org software=JAMES SMTP Server "
		"kind=smtp esmtp auth tls id=12345 for=bob@example.net "
		"at=2026-11-23T06:30:00Z+0"},
	{"iCloud",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		" by p00-icloudmta-asmtp-1.apple.example (Oracle Communications Messaging "
		"Server 8.1.0.1 64bit)\r\n"
		" with ESMTPS id <0RAB00CDE1FG2H00@p00.apple.example> for "
		"bob@icloud.example;\r\n"
		" Mon, 23 Nov 2026 06:30:00 +0000 (GMT)",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=p00-icloudmta-asmtp-1.apple.example software=Oracle Communications "
		"Messaging Server 8.1.0.1 64bit kind=smtp esmtp tls "
		"id=0RAB00CDE1FG2H00@p00.apple.example for=bob@icloud.example "
		"at=2026-11-23T06:30:00Z+0"},
	{"fetchmail",
		"from pop.example.org [192.0.2.7]\r\n"
		"\tby localhost with POP3 (fetchmail-6.4.37)\r\n"
		"\tfor <bob@localhost> (single-drop); Mon, 23 Nov 2026 07:30:00 +0100 (CET)",
		"helo=pop.example.org ip=192.0.2.7 by=localhost software=fetchmail-6.4.37 "
		"kind=pop for=bob@localhost at=2026-11-23T06:30:00Z+60"},
	{"getmail",
		"from pop.example.org by host.example.net with IMAP4 getmail6 (6.18) msgid "
		"12 for <bob@example.net>; 23 Nov 2026 06:30:00 -0000",
		"helo=pop.example.org by=host.example.net software=6.18 kind=imap "
		"for=bob@example.net at=2026-11-23T06:30:00Z+0"},
	{"MailEnable",
		"from mail.example.org ([192.0.2.7]) by mx.example.net with MailEnable "
		"ESMTP; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org ip=192.0.2.7 by=mx.example.net kind=smtp esmtp no-tls "
		"at=2026-11-23T06:30:00Z+0"},
	{"IMail",
		"from mail.example.org [192.0.2.7] by mx.example.net with ESMTP\r\n"
		"  (SMTPD-12.5.0.100) id a1b20123; Mon, 23 Nov 2026 06:30:00 -0500",
		"helo=mail.example.org ip=192.0.2.7 by=mx.example.net "
		"software=SMTPD-12.5.0.100 kind=smtp esmtp no-tls id=a1b20123 "
		"at=2026-11-23T11:30:00Z-300"},
	{"Domino",
		"from mail.example.org ([192.0.2.7])\r\n"
		"          by notes.example.net (Lotus Domino Release 9.0.1FP10)\r\n"
		"          with ESMTP id 2026112307300000-12345 ;\r\n"
		"          Mon, 23 Nov 2026 07:30:00 +0100",
		"helo=mail.example.org ip=192.0.2.7 by=notes.example.net software=Lotus "
		"Domino Release 9.0.1FP10 kind=smtp esmtp no-tls id=2026112307300000-12345 "
		"at=2026-11-23T06:30:00Z+60"},
	{"MDaemon",
		"from mail.example.org by mx.example.net (MDaemon PRO v23.0.2) with ESMTPS "
		"id md5001234567.msg; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org by=mx.example.net software=MDaemon PRO v23.0.2 "
		"kind=smtp esmtp tls id=md5001234567.msg at=2026-11-23T06:30:00Z+0"},
	{"Kerio Connect",
		"from mail.example.org ([192.0.2.7])\r\n"
		"\tby mx.example.net (Kerio Connect 10.0.1) with ESMTPS\r\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits));\r\n"
		"\tMon, 23 Nov 2026 07:30:00 +0100",
		"helo=mail.example.org ip=192.0.2.7 by=mx.example.net software=Kerio Connect "
		"10.0.1 kind=smtp esmtp tls version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 "
		"bits=256 at=2026-11-23T06:30:00Z+60"},
	{"Zoho",
		"from [192.168.1.5] (203.0.113.9 [203.0.113.9]) by mx.zohomail.example\r\n"
		"\twith SMTPS id 1700721000123456.789; Sun, 22 Nov 2026 22:30:00 -0800 (PST)",
		"helo=[192.168.1.5] ip=203.0.113.9 by=mx.zohomail.example kind=smtp tls "
		"id=1700721000123456.789 at=2026-11-23T06:30:00Z-480"},
	{"Fastmail, within",
		"from compute1.internal (compute1.nyi.internal [10.202.2.41])\r\n"
		"\tby mailuser.nyi.internal (Postfix) with ESMTP id 1A2B3C4D0061\r\n"
		"\tfor <bob@fastmail.example>; Mon, 23 Nov 2026 01:30:00 -0500 (EST)",
		"helo=compute1.internal reverse=compute1.nyi.internal ip=10.202.2.41 "
		"by=mailuser.nyi.internal software=Postfix kind=smtp esmtp no-tls "
		"id=1A2B3C4D0061 for=bob@fastmail.example at=2026-11-23T06:30:00Z-300"},
	{"Fastmail, MEProxy",
		"by mailfrontend2 ([10.202.2.163])\r\n"
		"  by compute1.internal (MEProxy); Mon, 23 Nov 2026 01:30:00 -0500",
		"by=mailfrontend2 by-ip=10.202.2.163 software=MEProxy "
		"at=2026-11-23T06:30:00Z-300 !no-from !clause-twice"},
	{"Coremail",
		"from laptop (unknown [203.0.113.9])\r\n"
		"\tby smtp10 (Coremail) with SMTP id DMCowABXabcd1234--.1;\r\n"
		"\tMon, 23 Nov 2026 14:30:00 +0800 (CST)",
		"helo=laptop no-reverse ip=203.0.113.9 by=smtp10 software=Coremail kind=smtp "
		"no-tls id=DMCowABXabcd1234--.1 at=2026-11-23T06:30:00Z+480"},
	{"QQ",
		"from laptop (unknown [203.0.113.9])\r\n"
		"\tby newxmesmtplogicsvrsza1.qq.example (NewEsmtp) with SMTP\r\n"
		"\tid A1B2C3D4; Mon, 23 Nov 2026 14:30:00 +0800",
		"helo=laptop no-reverse ip=203.0.113.9 by=newxmesmtplogicsvrsza1.qq.example "
		"software=NewEsmtp kind=smtp no-tls id=A1B2C3D4 at=2026-11-23T06:30:00Z+480"},
	{"mail.ru",
		"by smtp31.i.mail.example with esmtpa (envelope-from "
		"<alice@mail.example>)\r\n"
		"\tid 1r5abc-0001AB-2c; Mon, 23 Nov 2026 09:30:00 +0300",
		"by=smtp31.i.mail.example kind=smtp esmtp auth no-tls id=1r5abc-0001AB-2c "
		"sender=alice@mail.example at=2026-11-23T06:30:00Z+180 !no-from"},
	{"nullmailer",
		"(nullmailer pid 1234 invoked by uid 33);\r\n"
		"\tMon, 23 Nov 2026 06:30:00 -0000",
		"software=nullmailer kind=local login=uid 33 at=2026-11-23T06:30:00Z+0 "
		"!no-from !no-by"},
	{"sSMTP",
		"by host.example.org (sSMTP sendmail emulation); Mon, 23 Nov 2026 06:30:00 "
		"+0000",
		"by=host.example.org software=sSMTP sendmail emulation "
		"at=2026-11-23T06:30:00Z+0 !no-from"},
	{"DragonFly Mail Agent",
		"from alice (uid 1000)\r\n"
		"\t(envelope-from alice@host.example.org)\r\n"
		"\tid 12ab34\r\n"
		"\tby host.example.org (DragonFly Mail Agent v0.13);\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=alice by=host.example.org software=DragonFly Mail Agent v0.13 "
		"kind=local id=12ab34 sender=alice@host.example.org login=uid 1000 "
		"at=2026-11-23T06:30:00Z+0"},
	{"Mailman's host",
		"from lists.example.org (localhost [IPv6:::1])\r\n"
		"\tby lists.example.org (Postfix) with ESMTP id 0F00BA4;\r\n"
		"\tMon, 23 Nov 2026 06:30:01 +0000 (UTC)",
		"helo=lists.example.org reverse=localhost ip=::1 by=lists.example.org "
		"software=Postfix kind=smtp esmtp no-tls id=0F00BA4 at=2026-11-23T06:30:01Z+0"},
	{"PMDF",
		"from conversion-daemon.vax.example by vax.example\r\n"
		" (PMDF V6.2 #1) id <01ABCDEF@vax.example> (original mail from "
		"alice@vax.example)\r\n"
		" for bob@example.net; Mon, 23 Nov 2026 06:30:00 +0000 (GMT)",
		"helo=conversion-daemon.vax.example by=vax.example software=PMDF V6.2 #1 "
		"id=01ABCDEF@vax.example for=bob@example.net at=2026-11-23T06:30:00Z+0"},
	{"UUCP",
		"from uuhost by relay.example via UUCP with BSMTP\r\n"
		" id AA01234; Mon, 23 Nov 92 06:30:00 GMT",
		"helo=uuhost by=relay.example via=UUCP kind=uucp id=AA01234 "
		"at=1992-11-23T06:30:00Z+0 !date-obsolete"},
	{"Sendmail 5",
		"from gateway.example by host.example (5.61/1.34)\r\n"
		"\tid AA01234; Thu, 6 Jan 94 08:49:37 EST",
		"helo=gateway.example by=host.example software=5.61/1.34 id=AA01234 "
		"at=1994-01-06T13:49:37Z-300 !date-obsolete"},
	{"Yizhan",
		"from mail.example.org (mail.example.org [192.0.2.7])\r\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))\r\n"
		"\tby mx.example.net (Yizhan) with ESMTPS id 00AB12CD34EF\r\n"
		"\tfor <bob@example.net>;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org reverse=mail.example.org ip=192.0.2.7 "
		"by=mx.example.net software=Yizhan kind=smtp esmtp tls version=TLSv1.3 "
		"cipher=TLS_AES_256_GCM_SHA384 bits=256 id=00AB12CD34EF for=bob@example.net "
		"at=2026-11-23T06:30:00Z+0"},
	{"Yizhan, socket",
		"from localhost (unix)\r\n"
		"\tby mx.example.net (Yizhan) with LMTP id 00AB12CD34EF;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=localhost by=mx.example.net software=Yizhan kind=lmtp no-tls "
		"id=00AB12CD34EF at=2026-11-23T06:30:00Z+0"},
	{"Yizhan, a helo of no form",
		"from [192.0.2.7] (helo=a\\(b c.example.org [192.0.2.7])\r\n"
		"\tby mx.example.net (Yizhan) with ESMTP id 00AB12CD34EF;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000",
		"helo=a\\(b ip=192.0.2.7 by=mx.example.net software=Yizhan kind=smtp esmtp "
		"no-tls id=00AB12CD34EF at=2026-11-23T06:30:00Z+0"},
	{"RFC 8314's clause",
		"from laptop ([203.0.113.9]) by smtp.example.org with ESMTPSA\r\n"
		" id 1 tls TLS_AES_128_GCM_SHA256 for <bob@example.net>; Mon, 23 Nov 2026 "
		"06:30:00 +0000",
		"helo=laptop ip=203.0.113.9 by=smtp.example.org kind=smtp esmtp auth tls "
		"cipher=TLS_AES_128_GCM_SHA256 id=1 for=bob@example.net "
		"at=2026-11-23T06:30:00Z+0"},
	{"SMTPUTF8",
		"from mail.example.org ([192.0.2.7]) by mx.example.net with UTF8SMTPSA id "
		"1\r\n"
		" for <用户@例子.test>; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=mail.example.org ip=192.0.2.7 by=mx.example.net kind=smtp esmtp auth "
		"utf8 tls id=1 for=用户@例子.test at=2026-11-23T06:30:00Z+0"},
	{"several recipients",
		"from a.example ([192.0.2.7]) by b.example with ESMTP id 1\r\n"
		" for <bob@example.net>,<carol@example.net>; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp esmtp no-tls id=1 "
		"for=bob@example.net of=2 at=2026-11-23T06:30:00Z+0"},
	{"no recipient told",
		"from a.example ([192.0.2.7]) by b.example with ESMTP id 1\r\n"
		" for multiple recipients; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp esmtp no-tls id=1 of=2 "
		"at=2026-11-23T06:30:00Z+0"},
	{"quoted local part",
		"from a.example ([192.0.2.7]) by b.example with ESMTP id 1\r\n"
		" for <\"by with;for\"@example.net>; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp esmtp no-tls id=1 "
		"for=\"by with;for\"@example.net at=2026-11-23T06:30:00Z+0"},
	{"capitals, trailing dot",
		"FROM A.Example. ([192.0.2.7]) BY B.Example. WITH esmtp ID 1 FOR bob; Mon, "
		"23 Nov 2026 06:30:00 +0000",
		"helo=A.Example ip=192.0.2.7 by=B.Example kind=smtp esmtp no-tls id=1 "
		"for=bob at=2026-11-23T06:30:00Z+0"},
	{"no semicolon",
		"from a.example ([192.0.2.7]) by b.example with SMTP id 1\r\n"
		" Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls id=1 "
		"at=2026-11-23T06:30:00Z+0 !no-semicolon"},
	{"no date", "from a.example ([192.0.2.7]) by b.example with SMTP id 1",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls id=1 "
		"!no-semicolon !date-missing"},
	{"empty date", "from a.example ([192.0.2.7]) by b.example with SMTP id 1;",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls id=1 !date-missing"},
	{"a date of no form",
		"from a.example ([192.0.2.7]) by b.example with SMTP; yesterday at noon",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls !date-bad"},
	{"ISO date",
		"from a.example ([192.0.2.7]) by b.example with SMTP; "
		"2026-11-23T06:30:00+01:00",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"at=2026-11-23T05:30:00Z+60 !date-obsolete"},
	{"asctime date",
		"from a.example ([192.0.2.7]) by b.example with SMTP; Mon Nov 23 06:30:00 "
		"2026",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"at=2026-11-23T06:30:00Z+0 !date-obsolete !date-no-zone"},
	{"zone by its name",
		"from a.example ([192.0.2.7]) by b.example with SMTP; Mon, 23 Nov 2026 "
		"07:30:00 CET",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"at=2026-11-23T06:30:00Z+60 !date-obsolete"},
	{"wrong weekday",
		"from a.example ([192.0.2.7]) by b.example with SMTP; Tue, 23 Nov 2026 "
		"06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"at=2026-11-23T06:30:00Z+0 !date-weekday"},
	{"31 February",
		"from a.example ([192.0.2.7]) by b.example with SMTP; Mon, 31 Feb 2026 "
		"06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls !date-bad"},
	{"comment not closed",
		"from a.example (a.example [192.0.2.7]) by b.example (Post(fix with SMTP id "
		"1; Mon, 23 Nov 2026 06:30:00 +0000",
		"helo=a.example reverse=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"id=1 at=2026-11-23T06:30:00Z+0 !comment-open"},
	{"quote not closed",
		"from \"a.example ([192.0.2.7]) by b.example with SMTP id 1; Mon, 23 Nov "
		"2026 06:30:00 +0000",
		"helo=\"a.example ip=192.0.2.7 by=b.example kind=smtp no-tls id=1 "
		"at=2026-11-23T06:30:00Z+0 !quote-open"},
	{"semicolons in comments",
		"from a.example ([192.0.2.7]) (x; y) by b.example (a;b) with SMTP id 1; Mon, "
		"23 Nov 2026 06:30:00 +0000 (a; b)",
		"helo=a.example ip=192.0.2.7 by=b.example software=a;b kind=smtp no-tls id=1 "
		"at=2026-11-23T06:30:00Z+0"},
	{"clause twice",
		"from a.example ([192.0.2.7]) by b.example by c.example with SMTP; Mon, 23 "
		"Nov 2026 06:30:00 +0000",
		"helo=a.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"at=2026-11-23T06:30:00Z+0 !clause-twice"},
	{"controls",
		"from a\033[31m.example ([192.0.2.7]) by b.example with SMTP; Mon, 23 Nov "
		"2026 06:30:00 +0000",
		"helo=a\033[31m.example ip=192.0.2.7 by=b.example kind=smtp no-tls "
		"at=2026-11-23T06:30:00Z+0 !control"},
	{"empty",
		" \r\n"
		" ",
		" !empty"},
	{"only words", "the quick brown fox", " !no-from !no-by !no-semicolon !date-missing"},
};
